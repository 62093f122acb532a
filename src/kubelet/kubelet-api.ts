import { pods } from '../api/core/pod.ts';
import type { Pod } from '../api/core/v1.gen.ts';
import { badRequest, internalError, notFound, StatusError } from '../machinery/status.ts';
import type { KubeletApi, LogOptions } from './api.ts';
import { readLog } from './container-logs.ts';
import { cri, messageOf } from './cri-calls.ts';
import type { Parts } from './kubelet-parts.ts';
import { podNameOf } from './kubelet-parts.ts';
import type { ContainerState } from './pod-runtime.ts';
import { allContainers, findContainer } from './pod-spec.ts';
import type { RuntimeView } from './runtime-view.ts';
import { resourceMetrics, StatsSource } from './stats.ts';
import type { StatusWriter } from './status-writer.ts';

interface Needs {
  parts: Parts;
  view: RuntimeView;
  statuses: StatusWriter;
  healthy(): boolean;
  probes(): string;
}

const containerNotFound = (container: string, pod: Pod): StatusError =>
  badRequest(`container ${container} is not valid for pod ${pod.metadata.name}`);

/** What the rest of the cluster may ask of this node. */
export function kubeletApi({ parts, view, statuses, healthy, probes }: Needs): KubeletApi {
  const { runtime, host, clock, config } = parts;
  const stats = new StatsSource(runtime, host, config.nodeName, clock.now());

  const podOf = (namespace: string, name: string): Pod => {
    const pod = parts.pods.get(name, namespace);
    if (!pod) throw notFound(pods, name);
    return pod;
  };
  const withStatus = (pod: Pod): Pod => {
    const status = statuses.get(pod.metadata.uid!);
    return status ? { ...pod, status: { ...pod.status, ...status } } : pod;
  };
  const named = (pod: Pod, container: string): string => {
    if (container && !findContainer(pod, container)) throw containerNotFound(container, pod);
    return container || [...allContainers(pod)].find(([, kind]) => kind === 'container')![0].name;
  };
  /** Containers of that name, newest first. */
  const instances = async (pod: Pod, container: string): Promise<ContainerState[]> =>
    (await view.refresh(pod.metadata.uid!)).containers.filter(({ name }) => name === container);

  const waitingReason = (pod: Pod, container: string): string => {
    const {
      initContainerStatuses = [],
      containerStatuses = [],
      ephemeralContainerStatuses = [],
    } = withStatus(pod).status ?? {};
    const all = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
    return all.find(({ name }) => name === container)?.state?.waiting?.reason ?? 'ContainerCreating';
  };

  const running = async (namespace: string, podName: string, container: string) => {
    const pod = podOf(namespace, podName);
    const name = named(pod, container);
    const state = (await instances(pod, name)).find((c) => c.state === 'running');
    if (!state) throw new StatusError(404, 'NotFound', `container not found ("${name}")`);
    return { pod, state };
  };

  const failing = async <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      throw error instanceof StatusError ? error : internalError(messageOf(error));
    });

  async function containerLogs(
    namespace: string,
    podName: string,
    container: string,
    options: LogOptions & { previous?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const pod = podOf(namespace, podName);
    const name = named(pod, container);
    const all = await instances(pod, name);
    const { id, logPath } = all[options.previous ? 1 : 0] ?? {};
    if (!id || !logPath) {
      if (options.previous)
        throw badRequest(`previous terminated container "${name}" in pod "${podName}" not found`);
      throw badRequest(
        `container "${name}" in pod "${podName}" is waiting to start: ${waitingReason(pod, name)}`,
      );
    }
    const isRunning = async () =>
      (await view.pod(pod.metadata.uid!)).containers.find((c) => c.id === id)?.state === 'running';
    return readLog(host.logs, { path: logPath, running: isRunning }, options, clock.now(), signal);
  }

  return {
    nodeName: config.nodeName,
    pods: () => parts.pods.list().map(withStatus),
    containerLogs,
    async exec(namespace, podName, container, command, options) {
      const { pod, state } = await running(namespace, podName, container);
      const { stdin = false, stdout = false, stderr = false, tty = false } = options;
      const request = { containerId: state.id, cmd: command, stdin, stdout, stderr: stderr && !tty, tty };
      return failing(cri(parts, podNameOf(pod), 'exec', request));
    },
    async attach(namespace, podName, container, options) {
      const { pod, state } = await running(namespace, podName, container);
      // Whether it has a terminal was settled when it was made.
      const tty = findContainer(pod, state.name)?.tty ?? false;
      const { stdin = false, stdout = false, stderr = false } = options;
      return failing(
        cri(parts, podNameOf(pod), 'attach', {
          containerId: state.id,
          stdin,
          stdout,
          stderr: stderr && !tty,
          tty,
        }),
      );
    },
    async portForward(namespace, podName, ports) {
      const pod = podOf(namespace, podName);
      const { sandboxes } = await view.refresh(pod.metadata.uid!);
      const sandbox = sandboxes.find(({ ready }) => ready);
      if (!sandbox) throw internalError(`failed to find sandboxID for pod ${podName}`);
      return failing(cri(parts, podNameOf(pod), 'portForward', { podSandboxId: sandbox.id, port: ports }));
    },
    async run(namespace, podName, container, command) {
      const { pod, state } = await running(namespace, podName, container);
      const request = { containerId: state.id, cmd: command, timeout: 0 };
      const { stdout, stderr, exitCode } = await failing(cri(parts, podNameOf(pod), 'execSync', request));
      const output = new Uint8Array(stdout.length + stderr.length);
      output.set(stdout);
      output.set(stderr, stdout.length);
      return { output, exitCode };
    },
    stats: () => {
      const starts = new Map(
        parts.pods.list().map(({ metadata, status }) => [metadata.uid!, status?.startTime]),
      );
      return stats.read((uid) => starts.get(uid));
    },
    async metrics() {
      return resourceMetrics(await this.stats());
    },
    probes,
    imageVolumes: () => parts.imageVolumes ?? { requested: 0, mounted: 0, failed: 0 },
    healthy,
  };
}
