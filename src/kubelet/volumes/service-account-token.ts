// Tokens that pods find in projected volumes: asked of the API server, bound to the pod, renewed before they expire.
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
import { serviceAccounts } from '../../api/core/service-account.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';

interface Held {
  token: string;
  expiresMs: number;
  /** From then on a new one is asked for. */
  renewMs: number;
}

const dayMs = 86_400_000;
const defaultSeconds = 3600;

export class TokenSource {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held = new Map<string, Held>();

  constructor({ client, clock, log }: { client: Client; clock: Clock; log: Log }) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** The pod's token for an audience. An old one serves on where no new one can be had, until it expires. */
  async token(pod: Pod, audience: string | undefined, expirationSeconds = defaultSeconds): Promise<string> {
    const { namespace, name, uid } = pod.metadata;
    const account = pod.spec!.serviceAccountName || 'default';
    const key = `${uid}/${account}/${audience ?? ''}/${expirationSeconds}`;
    const held = this.#held.get(key);
    const now = this.#clock.now();
    if (held && now < held.renewMs) return held.token;
    try {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: { name: account, namespace },
        spec: {
          audiences: audience ? [audience] : [],
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
        },
      };
      const answer = await this.#client(serviceAccounts).createSubresource(account, 'token', body, {
        namespace: namespace!,
      });
      const expiresMs = Date.parse(answer.status.expirationTimestamp);
      // At 80 % of its life, and at least once a day.
      const renewMs = now + Math.min((expiresMs - now) * 0.8, dayMs);
      this.#held.set(key, { token: answer.status.token, expiresMs, renewMs });
      return answer.status.token;
    } catch (error) {
      if (!held || now >= held.expiresMs)
        throw new Error(`failed to fetch token: ${(error as Error).message}`);
      this.#log.warn('token not renewed', { namespace, pod: name, error });
      return held.token;
    }
  }

  forget(podUid: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${podUid}/`)) this.#held.delete(key);
  }
}
