// Getting images onto the node: when to pull, with which credentials, and how often after failures.
// https://kubernetes.io/docs/concepts/containers/images/#updating-images
import type { Pod, Secret } from '../api/core/v1.gen.ts';
import type { AuthConfig, Image, PodSandboxConfig } from '../cri/cri.ts';
import { parseImageName } from '../cri/image-name.ts';
import { Backoff, goDuration } from './backoff.ts';
import { cri, messageOf, rpcText } from './cri-calls.ts';
import type { Parts } from './kubelet-parts.ts';
import { podNameOf, tell, traced } from './kubelet-parts.ts';
import { credentialsFor } from './pull-secrets.ts';
import type { ImageUser } from './security-context.ts';

/** Why a container (or what it needs) could not be started; `reason` becomes its waiting reason. Events have been told. */
export class StartError extends Error {
  readonly reason: string;
  /** When to try again; soon when undefined. */
  readonly retryAtMs?: number;
  constructor(reason: string, message: string, retryAtMs?: number) {
    super(message);
    this.name = 'StartError';
    this.reason = reason;
    if (retryAtMs !== undefined) this.retryAtMs = retryAtMs;
  }
}

export interface LocalImage {
  /** What createContainer takes. */
  ref: string;
  user: ImageUser;
}

export interface ImageRequest {
  pod: Pod;
  /** Whose image it is; undefined for a volume's. */
  container?: string;
  image: string;
  policy: string;
  pullSecrets: Secret[];
  sandbox: PodSandboxConfig;
  signal?: AbortSignal;
}

interface Pulled {
  image: Image;
  durationMs: number;
}

export class Images {
  readonly #parts: Parts;
  readonly #backoff: Backoff;
  /** The last failure by pod and image: shown while backing off. */
  readonly #failures = new Map<string, string>();
  /** Pulls under way: pods that want the same image with the same credentials wait for one. */
  readonly #pulls = new Map<string, Promise<Pulled>>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.clock);
  }

  /** Sees to it that the image is there. Throws a StartError: InvalidImageName, ErrImagePull, ImagePullBackOff ... */
  async ensure(request: ImageRequest): Promise<LocalImage> {
    const { pod, container, image, policy } = request;
    const named = parseImageName(image);
    if (!named) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      tell(this.#parts, pod, 'Warning', 'InspectFailed', message, container);
      throw new StartError('InvalidImageName', message);
    }
    const tagged = named.tag === 'latest' && !/:latest$/.test(image) ? `${image}:latest` : image;
    if (policy !== 'Always') {
      const present = await this.#inspect(pod, tagged);
      if (present) {
        const message = `Container image "${image}" already present on machine and can be accessed by the pod`;
        tell(this.#parts, pod, 'Normal', 'Pulled', message, container);
        traced(this.#parts, podNameOf(pod), 7, 'image present', { image });
        return present;
      }
      if (policy === 'Never') {
        const message = `Container image "${image}" is not present with pull policy of Never`;
        tell(this.#parts, pod, 'Warning', 'ErrImageNeverPull', message, container);
        throw new StartError('ErrImageNeverPull', message);
      }
    }
    return this.#pull(request, tagged);
  }

  forget(podUid: string): void {
    this.#backoff.forget(podUid);
    for (const key of this.#failures.keys()) if (key.startsWith(podUid)) this.#failures.delete(key);
  }

  async #inspect(pod: Pod, image: string): Promise<LocalImage | undefined> {
    const answer = await cri(this.#parts, podNameOf(pod), 'imageStatus', { image: { image } });
    return answer.image ? localImage(answer.image) : undefined;
  }

  async #pull(
    { pod, container, pullSecrets, sandbox, signal }: ImageRequest,
    image: string,
  ): Promise<LocalImage> {
    const { clock } = this.#parts;
    const key = `${pod.metadata.uid}_${image}`;
    const until = this.#backoff.waitUntilSinceLast(key);
    if (until !== undefined) {
      const message = `Back-off pulling image "${image}"`;
      tell(this.#parts, pod, 'Normal', 'BackOff', message, container);
      const cause = this.#failures.get(key);
      throw new StartError('ImagePullBackOff', cause ? `${message}: ${cause}` : message, until);
    }
    tell(this.#parts, pod, 'Normal', 'Pulling', `Pulling image "${image}"`, container);
    const start = clock.now();
    const credentials = credentialsFor(image, pullSecrets);
    const shared = `${image} ${JSON.stringify(credentials)}`;
    try {
      let pull = this.#pulls.get(shared);
      if (!pull) {
        // Not the pod's own signal: another pod may wait for the same pull.
        pull = this.#pullWith(pod, image, credentials, sandbox).finally(() => this.#pulls.delete(shared));
        this.#pulls.set(shared, pull);
      }
      const pulled = await orAborted(pull, signal);
      const waitedMs = clock.now() - start;
      const message =
        `Successfully pulled image "${image}" in ${goDuration(Math.round(pulled.durationMs))} ` +
        `(${goDuration(Math.round(waitedMs))} including waiting). Image size: ${pulled.image.size} bytes.`;
      tell(this.#parts, pod, 'Normal', 'Pulled', message, container);
      traced(this.#parts, podNameOf(pod), 7, 'image pulled', { image, ms: Math.round(waitedMs) });
      return localImage(pulled.image);
    } catch (error) {
      if (signal?.aborted) throw error;
      const text = rpcText(error);
      tell(this.#parts, pod, 'Warning', 'Failed', `Failed to pull image "${image}": ${text}`, container);
      this.#backoff.next(key, clock.now());
      this.#failures.set(key, `ErrImagePull: ${text}`);
      throw new StartError('ErrImagePull', text, clock.now() + this.#backoff.delayMs(key));
    }
  }

  /** With each of the credentials in turn, and without any where there are none. */
  async #pullWith(
    pod: Pod,
    image: string,
    credentials: AuthConfig[],
    sandboxConfig: PodSandboxConfig,
  ): Promise<Pulled> {
    const { clock } = this.#parts;
    const start = clock.now();
    const tries: (AuthConfig | undefined)[] = credentials.length ? credentials : [undefined];
    const failures: unknown[] = [];
    for (const auth of tries) {
      try {
        const request = { image: { image }, sandboxConfig, ...(auth ? { auth } : {}) };
        const { imageRef } = await cri(this.#parts, podNameOf(pod), 'pullImage', request);
        const { image: found } = await cri(this.#parts, podNameOf(pod), 'imageStatus', {
          image: { image: imageRef },
        });
        if (!found) throw new Error(`image ${imageRef} is not there after it was pulled`);
        return { image: found, durationMs: clock.now() - start };
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    throw new Error(`[${failures.map(messageOf).join(', ')}]`);
  }
}

const localImage = ({ id, uid, username }: Image): LocalImage => ({
  ref: id,
  user: uid ? { uid: uid.value } : username ? { username } : { uid: 0 },
});

function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
