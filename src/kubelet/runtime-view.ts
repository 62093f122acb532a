// What the runtime has, pod by pod: listed about once a second, with the details of what has changed since.
import type {
  ContainerRuntime,
  ContainerStatus,
  Container as ListedContainer,
  PodSandbox as ListedSandbox,
  PodSandboxStatus,
} from '../cri/cri.ts';
import { ContainerState as CriState, isGone, NamespaceMode, PodSandboxState } from '../cri/cri.ts';
import { tailText } from './container-logs.ts';
import type { Host } from './host.ts';
import type { ContainerState, PodRuntime, SandboxState } from './pod-runtime.ts';
import { podUidLabel, readIdentity } from './runtime-labels.ts';

interface Listed {
  sandboxes: ListedSandbox[];
  containers: ListedContainer[];
  /** Which listing this is of: an older one never replaces a newer one. */
  listing: number;
}

const ms = (nanoseconds: number): number => nanoseconds / 1e6;
const states = ['created', 'running', 'exited', 'unknown'] as const;
const mostMessageBytes = 4096;
const mostFallbackBytes = 2048;
const mostFallbackLines = 80;

const newestFirst = <T extends { createdAt: number; id: string }>(items: T[]): T[] =>
  items.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));

const fingerprint = ({ sandboxes, containers }: Pick<Listed, 'sandboxes' | 'containers'>): string =>
  [...sandboxes, ...containers]
    .map(({ id, state }) => `${id}:${state}`)
    .sort()
    .join();

export class RuntimeView {
  readonly #runtime: ContainerRuntime;
  readonly #host: Host;
  readonly #pods = new Map<string, Listed>();
  readonly #sandboxes = new Map<string, { state: number; details: SandboxState }>();
  readonly #containers = new Map<string, { state: number; details: ContainerState }>();
  #listing = 0;

  constructor(runtime: ContainerRuntime, host: Host) {
    this.#runtime = runtime;
    this.#host = host;
  }

  /**
   * Lists everything, or all but the sandboxes, which rarely end before their containers. Gives the uids of pods of which
   * something has changed since they were last listed.
   */
  async relist(withSandboxes = true, signal?: AbortSignal): Promise<Set<string>> {
    const listing = ++this.#listing;
    const found = await this.#list({ withSandboxes }, listing, signal);
    const changed = new Set<string>();
    for (const [uid, listed] of found) if (this.#take(uid, listed)) changed.add(uid);
    for (const [uid, { listing: seen }] of this.#pods) {
      if (found.has(uid) || seen > listing) continue;
      this.#pods.delete(uid);
      changed.add(uid);
    }
    this.#forgetDetails();
    return changed;
  }

  /** The pod as it is now. */
  async refresh(uid: string): Promise<PodRuntime> {
    await this.look(uid);
    return this.pod(uid);
  }

  /** Lists one pod. True when something has changed since it was last listed. */
  async look(uid: string): Promise<boolean> {
    const listing = ++this.#listing;
    const listed = (await this.#list({ uid, withSandboxes: true }, listing)).get(uid);
    if (listed) return this.#take(uid, listed);
    return (this.#pods.get(uid)?.listing ?? 0) <= listing && this.#pods.delete(uid);
  }

  /** The pod as it was last listed, with details. */
  async pod(uid: string): Promise<PodRuntime> {
    const listed = this.#pods.get(uid);
    const sandboxes = await Promise.all((listed?.sandboxes ?? []).map((item) => this.#sandbox(item)));
    const containers = await Promise.all((listed?.containers ?? []).map((item) => this.#container(item)));
    const first = containers.find((c) => c !== undefined)?.identity;
    return {
      uid,
      namespace: listed?.sandboxes[0]?.metadata?.namespace ?? first?.podNamespace ?? '',
      name: listed?.sandboxes[0]?.metadata?.name ?? first?.podName ?? '',
      sandboxes: sandboxes.filter((s) => s !== undefined),
      containers: containers.filter((c) => c !== undefined),
    };
  }

  uids(): string[] {
    return [...this.#pods.keys()];
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /** Forgets what was read of a container: its resources were changed. */
  invalidate(containerId: string): void {
    this.#containers.delete(containerId);
  }

  async #list(
    { uid, withSandboxes }: { uid?: string; withSandboxes: boolean },
    listing: number,
    signal?: AbortSignal,
  ): Promise<Map<string, Listed>> {
    const filter = uid ? { labelSelector: { [podUidLabel]: uid } } : {};
    const [{ items }, { containers }] = await Promise.all([
      withSandboxes ? this.#runtime.listPodSandbox({ filter }, signal) : { items: [] },
      this.#runtime.listContainers({ filter }, signal),
    ]);
    const found = new Map<string, Listed>();
    if (!withSandboxes)
      for (const [owner, { sandboxes }] of this.#pods)
        found.set(owner, { sandboxes, containers: [], listing });
    const of = (labels: Record<string, string>): Listed => {
      const owner = labels[podUidLabel] ?? '';
      let listed = found.get(owner);
      if (!listed) found.set(owner, (listed = { sandboxes: [], containers: [], listing }));
      return listed;
    };
    for (const sandbox of items) of(sandbox.labels).sandboxes.push(sandbox);
    for (const container of containers) of(container.labels).containers.push(container);
    // What carries no uid was not made by a kubelet.
    found.delete('');
    return found;
  }

  #take(uid: string, listed: Listed): boolean {
    const before = this.#pods.get(uid);
    if (before && before.listing > listed.listing) return false;
    listed.sandboxes = newestFirst(listed.sandboxes);
    listed.containers = newestFirst(listed.containers);
    this.#pods.set(uid, listed);
    return !before || fingerprint(before) !== fingerprint(listed);
  }

  #forgetDetails(): void {
    if (this.#containers.size + this.#sandboxes.size < 64) return;
    const alive = new Set<string>();
    for (const { sandboxes, containers } of this.#pods.values())
      for (const { id } of [...sandboxes, ...containers]) alive.add(id);
    for (const id of this.#containers.keys()) if (!alive.has(id)) this.#containers.delete(id);
    for (const id of this.#sandboxes.keys()) if (!alive.has(id)) this.#sandboxes.delete(id);
  }

  /** undefined when it is gone meanwhile. */
  async #sandbox({ id, state }: ListedSandbox): Promise<SandboxState | undefined> {
    const known = this.#sandboxes.get(id);
    if (known?.state === state) return known.details;
    try {
      const { status } = await this.#runtime.podSandboxStatus({ podSandboxId: id });
      if (!status) return undefined;
      const details = sandboxState(status);
      this.#sandboxes.set(id, { state: status.state, details });
      return details;
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async #container({ id, state, podSandboxId }: ListedContainer): Promise<ContainerState | undefined> {
    const known = this.#containers.get(id);
    if (known?.state === state) return known.details;
    try {
      const { status } = await this.#runtime.containerStatus({ containerId: id });
      if (!status) return undefined;
      const details = containerState(status, podSandboxId);
      if (details.state === 'exited') details.message = await this.#lastWords(status, details);
      this.#containers.set(id, { state: status.state, details });
      return details;
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** What the container left in its termination log, or in the end of its output when it failed and asked for that. */
  async #lastWords(
    status: ContainerStatus,
    { identity, exitCode, logPath, message }: ContainerState,
  ): Promise<string> {
    const path = identity.terminationMessagePath;
    const mount = path ? status.mounts.find(({ containerPath }) => containerPath === path) : undefined;
    const bytes = mount ? await this.#host.readFile(mount.hostPath, mostMessageBytes) : undefined;
    let text = bytes ? new TextDecoder().decode(bytes) : '';
    if (!text && identity.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0 && logPath)
      text = await tailText(this.#host.logs, logPath, mostFallbackLines, mostFallbackBytes);
    return text || message;
  }
}

function sandboxState(status: PodSandboxStatus): SandboxState {
  const { network } = status;
  const ips = network ? [network.ip, ...network.additionalIps.map(({ ip }) => ip)].filter(Boolean) : [];
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === PodSandboxState.SANDBOX_READY,
    createdAtMs: ms(status.createdAt),
    hostNetwork: status.linux?.namespaces?.options?.network === NamespaceMode.NODE,
    ips,
    hasNetwork: network !== undefined,
  };
}

function containerState(status: ContainerStatus, sandboxId: string): ContainerState {
  const identity = readIdentity(status.labels, status.annotations);
  const exited = status.state === CriState.CONTAINER_EXITED;
  const user = status.user?.linux;
  return {
    id: status.id,
    name: identity.name || (status.metadata?.name ?? ''),
    sandboxId,
    state: states[status.state] ?? 'unknown',
    image: status.image?.image ?? '',
    imageId: status.imageRef,
    hash: identity.hash,
    restartCount: identity.restartCount,
    createdAtMs: ms(status.createdAt),
    startedAtMs: ms(status.startedAt),
    finishedAtMs: exited ? ms(status.finishedAt) : 0,
    exitCode: exited ? status.exitCode : 0,
    reason: exited ? status.reason : '',
    message: exited ? status.message : '',
    logPath: status.logPath,
    identity,
    ...(status.resources?.linux ? { resources: status.resources.linux } : {}),
    ...(user ? { user: { uid: user.uid, gid: user.gid, supplementalGroups: user.supplementalGroups } } : {}),
  };
}
