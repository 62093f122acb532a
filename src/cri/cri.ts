// The container runtime interface, CRI v1: what the kubelet asks of whatever runs containers.
// Implementations: node/containerd-client.ts (any CRI v1 socket, over gRPC) and simulated.ts. Both pass suite.ts.
// Source: https://github.com/kubernetes/cri-api (pkg/apis/runtime/v1).
//
// Shapes: field names are CRI's in camelCase. What one sends (configs, requests, filters) has every field optional.
// What one receives has scalars, lists and maps always present with proto3's defaults ('' 0 false [] {}), and message
// fields possibly undefined. Timestamps are Unix nanoseconds as numbers (so rounded to about 0.2 microseconds), 0 for
// "not yet". Enum fields are numbers; the names are in the constants exported below:
// `status.state === ContainerState.CONTAINER_RUNNING`.

import type { Init, Message } from '../machinery/protobuf/message.ts';
import { messageCodec } from '../machinery/protobuf/message.ts';
import type { criMethods } from './cri.gen.ts';
import { criMessages } from './cri.gen.ts';

export {
  CgroupDriver,
  ContainerState,
  MountPropagation,
  NamespaceMode,
  PodSandboxState,
  ProfileType,
  Protocol,
  Signal,
  SupplementalGroupsPolicy,
} from './cri.gen.ts';

type Table = typeof criMessages;
type Methods = typeof criMethods;
type Sent<Name extends keyof Table> = Init<Table, Name>;
type Received<Name extends keyof Table> = Message<Table, Name>;

/** Encodes, decodes and fills in CRI messages. `criCodec.create('ContainerStatus', {...})` makes one with defaults. */
export const criCodec = messageCodec(criMessages);

export type CriMethod = keyof Methods;
export type CriRequest<M extends CriMethod> = Sent<Methods[M][2]>;
export type CriResponse<M extends CriMethod> = Received<Methods[M][3]>;

/** One call: the request, and a signal whose abort cancels the call (it then rejects with code 'CANCELLED'). */
export type CriCall<M extends CriMethod> = (
  request: CriRequest<M>,
  signal?: AbortSignal,
) => Promise<CriResponse<M>>;

/**
 * A runtime. Every call may reject with a CriError. Times out by itself: quick calls after two minutes, as upstream's
 * kubelet; pullImage, execSync and stopContainer do not, beyond their own `timeout` and grace.
 */
export interface ContainerRuntime {
  version: CriCall<'version'>;
  /** Conditions 'RuntimeReady' and 'NetworkReady' (the latter false until a CNI config is there). */
  status: CriCall<'status'>;
  /** `linux.cgroupDriver`. Older runtimes (containerd before 2.0) answer UNIMPLEMENTED: then use cgroupfs. */
  runtimeConfig: CriCall<'runtimeConfig'>;
  updateRuntimeConfig: CriCall<'updateRuntimeConfig'>;

  /**
   * Makes the pod's namespaces, network and pause container. Slow (CNI plugins are run): 100-500 ms.
   * - `config.metadata` {name, uid, namespace, attempt} must be unique, else it is refused while the older one exists.
   * - `config.logDirectory` must exist; containers' `logPath` is relative to it.
   * - `config.linux.cgroupParent` is a cgroupfs path ('/kubepods/burstable/pod<uid>'); it is made when missing, but
   *   its limits are the caller's to set, and removing it too.
   * - `config.linux.securityContext.namespaceOptions` {network, pid, ipc} of NamespaceMode. Always set `pid`
   *   explicitly: 0 is POD (shared); the API's default is CONTAINER.
   * - `config.hostname` must be empty for the host's network. `config.portMappings` with a hostPort > 0 are realised
   *   by the portmap plugin.
   */
  runPodSandbox: CriCall<'runPodSandbox'>;
  /** Kills what runs in it and releases the network. Idempotent; fine for an id that is gone. */
  stopPodSandbox: CriCall<'stopPodSandbox'>;
  /** Idempotent; also removes containers left in it. Stop it first: otherwise its network may leak. */
  removePodSandbox: CriCall<'removePodSandbox'>;
  /** `status.network.ip` is '' for the host's network. NOT_FOUND when gone. */
  podSandboxStatus: CriCall<'podSandboxStatus'>;
  /** Also those not ready. A filter's labelSelector is equality on all given labels. */
  listPodSandbox: CriCall<'listPodSandbox'>;
  podSandboxStats: CriCall<'podSandboxStats'>;
  listPodSandboxStats: CriCall<'listPodSandboxStats'>;
  /** In-place pod resize. UNIMPLEMENTED by containerd before 2.1. */
  updatePodSandboxResources: CriCall<'updatePodSandboxResources'>;

  /**
   * Prepares a container; `sandboxConfig` must be the one given to runPodSandbox.
   * `config.image.image` is the imageRef that pullImage or imageStatus returned (an id, or a name that is present).
   * `config.envs` replace the image's where names are equal; empty `command` means the image's entrypoint, and an empty
   * `args` with an empty command the image's arguments. `config.labels` and `config.annotations` are given back.
   * `mounts[].hostPath` must exist. Hosts and resolv.conf: containerd mounts its own unless a mount covers them.
   * Errors: NOT_FOUND the image or sandbox; others as UNKNOWN with the runtime's text.
   */
  createContainer: CriCall<'createContainer'>;
  /** Rejects with UNKNOWN and runc's text when the command cannot be executed; the container is then EXITED, code 128. */
  startContainer: CriCall<'startContainer'>;
  /** `timeout` in seconds: stop signal, wait, SIGKILL. 0 kills at once. Returns when it has stopped. Idempotent. */
  stopContainer: CriCall<'stopContainer'>;
  /** Kills it when running. Idempotent. Its log file is the caller's to remove. */
  removeContainer: CriCall<'removeContainer'>;
  listContainers: CriCall<'listContainers'>;
  /** After exit: state EXITED, exitCode (128+n for signal n), finishedAt, reason 'Completed' | 'Error' | 'OOMKilled'. */
  containerStatus: CriCall<'containerStatus'>;
  updateContainerResources: CriCall<'updateContainerResources'>;
  /** After the kubelet has renamed the log file. Lines are `<RFC3339Nano> stdout|stderr F|P <text>`. */
  reopenContainerLog: CriCall<'reopenContainerLog'>;
  containerStats: CriCall<'containerStats'>;
  listContainerStats: CriCall<'listContainerStats'>;

  /** `timeout` in seconds, 0 for none; on expiry DEADLINE_EXCEEDED. A command that cannot be started rejects. */
  execSync: CriCall<'execSync'>;
  /**
   * These three return `{ url }` of a one-time HTTP endpoint on loopback (a minute to use it) that speaks SPDY/3.1
   * (POST with Upgrade: SPDY/3.1, X-Stream-Protocol-Version: v4.channel.k8s.io). containerd 1.6 speaks SPDY only.
   */
  exec: CriCall<'exec'>;
  attach: CriCall<'attach'>;
  portForward: CriCall<'portForward'>;

  listImages: CriCall<'listImages'>;
  /** `image` is undefined when the image is not present. Accepts a name, name@digest, or an id. */
  imageStatus: CriCall<'imageStatus'>;
  /** `imageRef` is the id to run ('sha256:...'). Short names are completed: 'busybox' -> docker.io/library/busybox:latest. */
  pullImage: CriCall<'pullImage'>;
  /** Idempotent. By id it removes all names. */
  removeImage: CriCall<'removeImage'>;
  imageFsInfo: CriCall<'imageFsInfo'>;
}

/** gRPC's status codes that runtimes use; 'UNAVAILABLE' when the socket does not answer: retry later. */
export type CriErrorCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** A failed call. `message` is the runtime's own text, fit for events and container statuses. */
export class CriError extends Error {
  readonly code: CriErrorCode;
  readonly method: CriMethod;

  constructor(method: CriMethod, code: CriErrorCode, message: string) {
    super(message);
    this.name = 'CriError';
    this.method = method;
    this.code = code;
  }
}

/** True for a CriError NOT_FOUND: the pod sandbox, container or image is gone. */
export const isGone = (error: unknown): boolean => error instanceof CriError && error.code === 'NOT_FOUND';

export type PodSandboxConfig = Sent<'PodSandboxConfig'>;
export type PodSandboxMetadata = Sent<'PodSandboxMetadata'>;
export type LinuxPodSandboxConfig = Sent<'LinuxPodSandboxConfig'>;
export type LinuxSandboxSecurityContext = Sent<'LinuxSandboxSecurityContext'>;
export type NamespaceOption = Sent<'NamespaceOption'>;
export type DNSConfig = Sent<'DNSConfig'>;
export type PortMapping = Sent<'PortMapping'>;
export type ContainerConfig = Sent<'ContainerConfig'>;
export type ContainerMetadata = Sent<'ContainerMetadata'>;
export type LinuxContainerConfig = Sent<'LinuxContainerConfig'>;
export type LinuxContainerResources = Sent<'LinuxContainerResources'>;
export type LinuxContainerSecurityContext = Sent<'LinuxContainerSecurityContext'>;
export type SecurityProfile = Sent<'SecurityProfile'>;
export type Mount = Sent<'Mount'>;
export type Device = Sent<'Device'>;
export type KeyValue = Sent<'KeyValue'>;
export type ImageSpec = Sent<'ImageSpec'>;
export type AuthConfig = Sent<'AuthConfig'>;
export type PodSandboxFilter = Sent<'PodSandboxFilter'>;
export type ContainerFilter = Sent<'ContainerFilter'>;

export type PodSandbox = Received<'PodSandbox'>;
export type PodSandboxStatus = Received<'PodSandboxStatus'>;
export type PodSandboxStats = Received<'PodSandboxStats'>;
export type Container = Received<'Container'>;
export type ContainerStatus = Received<'ContainerStatus'>;
export type ContainerStats = Received<'ContainerStats'>;
export type RuntimeStatus = Received<'RuntimeStatus'>;
export type RuntimeCondition = Received<'RuntimeCondition'>;
export type Image = Received<'Image'>;
export type FilesystemUsage = Received<'FilesystemUsage'>;
