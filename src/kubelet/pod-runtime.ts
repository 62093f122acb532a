// What the container runtime has of one pod: a snapshot, never changed once made.
import type { LinuxContainerResources } from '../cri/cri.ts';
import type { ContainerIdentity } from './runtime-labels.ts';

export interface SandboxState {
  id: string;
  attempt: number;
  ready: boolean;
  createdAtMs: number;
  hostNetwork: boolean;
  /** Empty on the host's network, and until the network is set up. */
  ips: string[];
  /** The runtime told about the network at all. */
  hasNetwork: boolean;
}

export interface ContainerUserState {
  uid: number;
  gid: number;
  supplementalGroups: number[];
}

export interface ContainerState {
  id: string;
  name: string;
  sandboxId: string;
  state: 'created' | 'running' | 'exited' | 'unknown';
  /** As the spec names it. */
  image: string;
  imageId: string;
  /** The spec's image and name, hashed: a change means a restart. */
  hash: string;
  restartCount: number;
  createdAtMs: number;
  /** 0 when it never started. */
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  reason: string;
  message: string;
  /** Absolute. */
  logPath: string;
  identity: ContainerIdentity;
  resources?: LinuxContainerResources;
  user?: ContainerUserState;
}

export interface PodRuntime {
  uid: string;
  namespace: string;
  name: string;
  /** Newest first. */
  sandboxes: SandboxState[];
  /** Newest first; several of one name after restarts. */
  containers: ContainerState[];
}

/** The newest container of that name. */
export const latest = (runtime: PodRuntime, name: string): ContainerState | undefined =>
  runtime.containers.find((container) => container.name === name);

export const emptyRuntime = (uid: string, namespace = '', name = ''): PodRuntime => ({
  uid,
  namespace,
  name,
  sandboxes: [],
  containers: [],
});

export interface SandboxVerdict {
  /** A new sandbox is needed before anything can run. */
  changed: boolean;
  /** The number of the sandbox to use or to make. */
  attempt: number;
  /** The newest sandbox, unless it cannot be told apart from another kind's. */
  id?: string;
}

/** Whether the pod's newest sandbox still serves. */
export function judgeSandbox(runtime: PodRuntime, hostNetwork: boolean): SandboxVerdict {
  const sandbox = runtime.sandboxes[0];
  if (!sandbox) return { changed: true, attempt: 0 };
  const next = { changed: true, attempt: sandbox.attempt + 1, id: sandbox.id };
  if (runtime.sandboxes.filter(({ ready }) => ready).length > 1 || !sandbox.ready) return next;
  if (sandbox.hostNetwork !== hostNetwork) return { changed: true, attempt: sandbox.attempt + 1 };
  if (!hostNetwork && sandbox.hasNetwork && sandbox.ips.length === 0) return next;
  return { changed: false, attempt: sandbox.attempt, id: sandbox.id };
}

/** The addresses of the newest sandbox, when it is ready. */
export const podIPsOf = (runtime: PodRuntime): string[] =>
  runtime.sandboxes[0]?.ready ? runtime.sandboxes[0].ips : [];
