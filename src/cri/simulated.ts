// The CRI without containers: pods get addresses, containers run for as long as their command says (simulated-script.ts),
// all in the clock's time. For thousands of hollow nodes, for machines without root, and for tests. Deterministic: the
// same calls with the same clock and random give the same ids, addresses and times.
//
// Annotations of a pod steer it; with `.NAME` appended they mean one container, and else all:
//   simulation.wherry.dev/exit-after: 5s        end 5 s after the start, whatever the command (0s: at once)
//   simulation.wherry.dev/exit-code: "3"        the exit code then, or of the command
//   simulation.wherry.dev/exec-exit-code: "1"   what execSync answers: probes fail
//   simulation.wherry.dev/cpu-millicores: "250" and .../memory-bytes: "1048576"   what the statistics say
//
// Images: every pull succeeds, but from a registry host ending in '.invalid' (RFC 2606 keeps it unresolvable).

import type { Clock, Random, Timer } from '../machinery/clock.ts';
import {
  type Container,
  type ContainerRuntime,
  ContainerState,
  type ContainerStats,
  type ContainerStatus,
  CriError,
  type CriErrorCode,
  type CriMethod,
  type CriRequest,
  type CriResponse,
  criCodec,
  type Image,
  NamespaceMode,
  type PodSandboxConfig,
  PodSandboxState,
  type PodSandboxStats,
  type PodSandboxStatus,
} from './cri.ts';
import { checkRequest } from './requests.ts';
import { addressPool } from './simulated-addresses.ts';
import { simulatedImages } from './simulated-images.ts';
import { type Course, courseOf, durationMs, execute } from './simulated-script.ts';

export interface SimulatedOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** This node's part of the pod addresses. */
  readonly podCIDR: string;
  /** How long runPodSandbox takes; default 20. */
  readonly sandboxMs?: number;
  /** How long startContainer takes; default 10. */
  readonly startMs?: number;
  /** Names of images that are there from the beginning. */
  readonly images?: readonly string[];
}

export interface SimulatedRuntime extends ContainerRuntime, AsyncDisposable {
  /** What containers wrote, by the full path of the log file, in the CRI's log format; '' for an unknown path. */
  readLog(path: string): string;
  /** Makes a running container end now, as by a crash. False when it does not run. */
  crash(containerId: string, exitCode?: number): boolean;
}

interface Pod {
  readonly config: PodSandboxConfig;
  readonly status: PodSandboxStatus;
  readonly address: string;
}

interface Run {
  readonly podId: string;
  readonly status: ContainerStatus;
  readonly course: Course;
  readonly logFile: string;
  readonly resources: { cpuMillicores: number; memoryBytes: number };
  readonly execCode: number | undefined;
  timers: Timer[];
  stopped: (() => void)[];
}

const prefix = 'simulation.wherry.dev/';
const hex = '0123456789abcdef';

/** A node's runtime in memory. Nothing is kept after it is disposed of: timers are cancelled. */
export function simulatedRuntime(options: SimulatedOptions): SimulatedRuntime {
  const { clock, random, podCIDR, sandboxMs = 20, startMs = 10 } = options;
  const pods = new Map<string, Pod>();
  const runs = new Map<string, Run>();
  const logs = new Map<string, string>();
  const addresses = addressPool(podCIDR);
  const images = simulatedImages(options.images ?? []);

  const nowNs = () => clock.now() * 1e6;
  const newId = () => Array.from({ length: 64 }, () => hex[Math.floor(random() * 16)]).join('');
  const wait = (delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve));

  const podOf = (method: CriMethod, id: string | undefined): Pod =>
    pods.get(id ?? '') ?? fail(method, 'NOT_FOUND', `sandbox "${id}": not found`);
  const runOf = (method: CriMethod, id: string | undefined): Run =>
    runs.get(id ?? '') ?? fail(method, 'NOT_FOUND', `container "${id}": not found`);
  const isRunning = ({ status }: Run) => status.state === ContainerState.CONTAINER_RUNNING;
  const runsOf = (podId: string) => [...runs.values()].filter((run) => run.podId === podId);

  function finish(run: Run, code: number): void {
    if (!isRunning(run)) return;
    for (const timer of run.timers) timer.cancel();
    run.timers = [];
    run.status.state = ContainerState.CONTAINER_EXITED;
    run.status.exitCode = code;
    run.status.finishedAt = nowNs();
    run.status.reason = code === 0 ? 'Completed' : 'Error';
    for (const tell of run.stopped.splice(0)) tell();
  }

  function log(run: Run, text: string): void {
    const at = new Date(clock.now()).toISOString();
    logs.set(run.logFile, `${logs.get(run.logFile) ?? ''}${at} stdout F ${text}\n`);
  }

  function stopPod(id: string): void {
    for (const run of runsOf(id)) finish(run, 137);
    const pod = pods.get(id);
    if (!pod || pod.status.state === PodSandboxState.SANDBOX_NOTREADY) return;
    pod.status.state = PodSandboxState.SANDBOX_NOTREADY;
    pod.status.network = criCodec.create('PodSandboxNetworkStatus', {});
    if (pod.address !== '') addresses.release(pod.address);
  }

  const podCalls = {
    async runPodSandbox(request) {
      checkRequest('runPodSandbox', request);
      const { config = {} } = request;
      const { metadata = {} } = config;
      for (const { status } of pods.values()) {
        if (sameFields(status.metadata, metadata, ['name', 'namespace', 'uid', 'attempt'])) {
          fail(
            'runPodSandbox',
            'UNKNOWN',
            `failed to reserve sandbox name: it is reserved for "${status.id}"`,
          );
        }
      }
      const namespaces = config.linux?.securityContext?.namespaceOptions ?? {};
      const onHost = namespaces.network === NamespaceMode.NODE;
      const address = onHost ? '' : addresses.take();
      if (address === undefined) {
        fail('runPodSandbox', 'UNKNOWN', `failed to set up network: no addresses available in ${podCIDR}`);
      }
      const id = newId();
      const status = criCodec.create('PodSandboxStatus', {
        ...{ id, metadata, createdAt: nowNs(), labels: config.labels, annotations: config.annotations },
        ...{ network: { ip: address }, linux: { namespaces: { options: namespaces } } },
      });
      status.state = PodSandboxState.SANDBOX_NOTREADY;
      pods.set(id, { config, status, address });
      await wait(sandboxMs);
      status.state = PodSandboxState.SANDBOX_READY;
      return { podSandboxId: id };
    },
    async stopPodSandbox({ podSandboxId = '' }) {
      stopPod(podSandboxId);
      return {};
    },
    async removePodSandbox({ podSandboxId = '' }) {
      stopPod(podSandboxId);
      for (const run of runsOf(podSandboxId)) runs.delete(run.status.id);
      pods.delete(podSandboxId);
      return {};
    },
    async podSandboxStatus({ podSandboxId }) {
      const { status } = podOf('podSandboxStatus', podSandboxId);
      const containersStatuses = runsOf(status.id).map((run) => run.status);
      return criCodec.create('PodSandboxStatusResponse', { status, containersStatuses, timestamp: nowNs() });
    },
    async listPodSandbox({ filter = {} }) {
      const items = [...pods.values()]
        .map(({ status }) => status)
        .filter(({ id, state, labels }) =>
          (filter.id ?? '') === '' || id.startsWith(filter.id!)
            ? (!filter.state || (filter.state.state ?? 0) === state) && matches(labels, filter.labelSelector)
            : false,
        )
        .map((status) => criCodec.create('PodSandbox', status));
      return { items };
    },
    async podSandboxStats({ podSandboxId }) {
      return { stats: podStats(podOf('podSandboxStats', podSandboxId)) };
    },
    async listPodSandboxStats() {
      return { stats: [...pods.values()].map(podStats) };
    },
    async updatePodSandboxResources({ podSandboxId }) {
      podOf('updatePodSandboxResources', podSandboxId);
      return {};
    },
  } satisfies Calls;

  const containerCalls = {
    async createContainer(request) {
      checkRequest('createContainer', request);
      const { podSandboxId, config = {} } = request;
      const pod = podOf('createContainer', podSandboxId);
      const { metadata = {}, image = {} } = config;
      const found = images.find(image.image ?? '');
      if (!found) fail('createContainer', 'NOT_FOUND', `image "${image.image}": not found`);
      for (const { status } of runsOf(pod.status.id)) {
        if (sameFields(status.metadata, metadata, ['name', 'attempt'])) {
          fail(
            'createContainer',
            'UNKNOWN',
            `failed to reserve container name: it is reserved for "${status.id}"`,
          );
        }
      }
      const note = (key: string) => {
        const annotations = pod.config.annotations ?? {};
        return annotations[`${prefix}${key}.${metadata.name}`] ?? annotations[`${prefix}${key}`];
      };
      const logFile = config.logPath ? `${pod.config.logDirectory ?? ''}/${config.logPath}` : '';
      const status = criCodec.create('ContainerStatus', {
        ...{ id: newId(), metadata, image, imageRef: found.id, createdAt: nowNs(), logPath: logFile },
        ...{ labels: config.labels, annotations: config.annotations, mounts: config.mounts },
        resources: { linux: config.linux?.resources },
      });
      const natural = courseOf([...(config.command ?? []), ...(config.args ?? [])]);
      const afterMs = durationMs(note('exit-after') ?? '') ?? natural.end?.atMs;
      const code = Number(note('exit-code') ?? natural.end?.code ?? 0);
      const course = {
        output: natural.output,
        end: afterMs === undefined ? undefined : { atMs: afterMs, code },
      };
      const execCode = note('exec-exit-code');
      runs.set(status.id, {
        ...{ podId: pod.status.id, status, course, logFile, timers: [], stopped: [] },
        execCode: execCode === undefined ? undefined : Number(execCode),
        resources: {
          cpuMillicores: Number(note('cpu-millicores') ?? 1),
          memoryBytes: Number(note('memory-bytes') ?? 8 << 20),
        },
      });
      return { containerId: status.id };
    },
    async startContainer({ containerId }) {
      const run = runOf('startContainer', containerId);
      if (run.status.state !== ContainerState.CONTAINER_CREATED || run.status.startedAt > 0) {
        fail('startContainer', 'UNKNOWN', `container "${containerId}" is not in the created state`);
      }
      if (pods.get(run.podId)?.status.state !== PodSandboxState.SANDBOX_READY) {
        fail('startContainer', 'UNKNOWN', `sandbox "${run.podId}" is not running`);
      }
      run.status.startedAt = nowNs();
      await wait(startMs);
      if (!runs.has(run.status.id)) return {};
      run.status.state = ContainerState.CONTAINER_RUNNING;
      run.status.startedAt = nowNs();
      const { output, end } = run.course;
      for (const { atMs, text } of output) {
        if (end && atMs > end.atMs) continue;
        if (atMs === 0) log(run, text);
        else run.timers.push(clock.after(atMs, () => log(run, text)));
      }
      if (end) run.timers.push(clock.after(end.atMs, () => finish(run, end.code)));
      return {};
    },
    async stopContainer({ containerId, timeout = 0 }) {
      const run = runs.get(containerId ?? '');
      if (run) finish(run, timeout > 0 ? 143 : 137);
      return {};
    },
    async removeContainer({ containerId }) {
      const run = runs.get(containerId ?? '');
      if (run) finish(run, 137);
      runs.delete(containerId ?? '');
      return {};
    },
    async listContainers({ filter = {} }) {
      const containers = [...runs.values()].flatMap((run): Container[] => {
        const { status, podId } = run;
        const chosen =
          ((filter.id ?? '') === '' || status.id.startsWith(filter.id!)) &&
          ((filter.podSandboxId ?? '') === '' || podId === filter.podSandboxId) &&
          (!filter.state || (filter.state.state ?? 0) === status.state) &&
          matches(status.labels, filter.labelSelector);
        return chosen ? [criCodec.create('Container', { ...status, podSandboxId: podId })] : [];
      });
      return { containers };
    },
    async containerStatus({ containerId }) {
      const { status } = runOf('containerStatus', containerId);
      return criCodec.create('ContainerStatusResponse', { status });
    },
    async updateContainerResources({ containerId, linux }) {
      const { status } = runOf('updateContainerResources', containerId);
      const resources = { ...status.resources?.linux, ...linux };
      status.resources = criCodec.create('ContainerResources', { linux: resources });
      return {};
    },
    async reopenContainerLog({ containerId }) {
      logs.delete(runOf('reopenContainerLog', containerId).logFile);
      return {};
    },
    async execSync({ containerId, cmd = [], timeout = 0 }) {
      const run = runOf('execSync', containerId);
      if (!isRunning(run)) fail('execSync', 'UNKNOWN', `container "${containerId}" is not running`);
      const { stdout, code, tookMs } = execute(cmd);
      const late = timeout > 0 && tookMs > timeout * 1000;
      await wait(late ? timeout * 1000 : tookMs);
      if (late) fail('execSync', 'DEADLINE_EXCEEDED', `timeout ${timeout}s exceeded`);
      const bytes = { stdout: new TextEncoder().encode(stdout), stderr: new Uint8Array(0) };
      return { ...bytes, exitCode: run.execCode ?? code };
    },
    async containerStats({ containerId }) {
      return { stats: containerStats(runOf('containerStats', containerId)) };
    },
    async listContainerStats({ filter = {} }) {
      const chosen = [...runs.values()].filter(
        (run) =>
          isRunning(run) &&
          ((filter.id ?? '') === '' || run.status.id === filter.id) &&
          ((filter.podSandboxId ?? '') === '' || run.podId === filter.podSandboxId) &&
          matches(run.status.labels, filter.labelSelector),
      );
      return { stats: chosen.map(containerStats) };
    },
    exec: async () => noStream('exec'),
    attach: async () => noStream('attach'),
    portForward: async () => noStream('portForward'),
  } satisfies Calls;

  function containerStats({ status, resources }: Run): ContainerStats {
    const timestamp = nowNs();
    const { id, metadata, labels, annotations } = status;
    const running = status.state === ContainerState.CONTAINER_RUNNING;
    const cores = running ? resources.cpuMillicores / 1000 : 0;
    const memory = running ? resources.memoryBytes : 0;
    const usageCoreNanoSeconds = { value: Math.round((timestamp - status.startedAt) * cores) };
    return criCodec.create('ContainerStats', {
      attributes: { id, metadata, labels, annotations },
      cpu: { timestamp, usageCoreNanoSeconds, usageNanoCores: { value: Math.round(cores * 1e9) } },
      memory: {
        timestamp,
        workingSetBytes: { value: memory },
        usageBytes: { value: memory },
        rssBytes: { value: memory },
      },
      writableLayer: {
        timestamp,
        fsId: { mountpoint: '/' },
        usedBytes: { value: 0 },
        inodesUsed: { value: 0 },
      },
    });
  }

  function podStats({ status }: Pod): PodSandboxStats {
    const containers = runsOf(status.id).filter(isRunning).map(containerStats);
    const timestamp = nowNs();
    const sum = (pick: (stats: ContainerStats) => number) =>
      containers.reduce((total, stats) => total + pick(stats), 0);
    const nanoCores = sum(({ cpu }) => cpu?.usageNanoCores?.value ?? 0);
    const cpuTotal = sum(({ cpu }) => cpu?.usageCoreNanoSeconds?.value ?? 0);
    const memory = sum(({ memory: usage }) => usage?.workingSetBytes?.value ?? 0);
    return criCodec.create('PodSandboxStats', {
      attributes: {
        id: status.id,
        metadata: status.metadata,
        labels: status.labels,
        annotations: status.annotations,
      },
      linux: {
        cpu: { timestamp, usageNanoCores: { value: nanoCores }, usageCoreNanoSeconds: { value: cpuTotal } },
        memory: { timestamp, workingSetBytes: { value: memory } },
        containers,
      },
    });
  }

  const nodeCalls = {
    async version() {
      return { version: '0.1.0', runtimeName: 'simulated', runtimeVersion: '1.0.0', runtimeApiVersion: 'v1' };
    },
    async status() {
      const conditions = ['RuntimeReady', 'NetworkReady'].map((type) => ({ type, status: true }));
      return criCodec.create('StatusResponse', { status: { conditions } });
    },
    async runtimeConfig() {
      return criCodec.create('RuntimeConfigResponse', { linux: { cgroupDriver: 1 } });
    },
    async updateRuntimeConfig() {
      return {};
    },
  } satisfies Calls;

  const imageCalls = {
    async listImages({ filter }) {
      const wanted = filter?.image?.image ?? '';
      return {
        images:
          wanted === '' ? images.all() : [images.find(wanted)].filter((image): image is Image => !!image),
      };
    },
    async imageStatus({ image }) {
      return criCodec.create('ImageStatusResponse', { image: images.find(image?.image ?? '') });
    },
    async pullImage({ image }) {
      return { imageRef: images.pull(image?.image ?? '').id };
    },
    async removeImage({ image }) {
      images.remove(image?.image ?? '');
      return {};
    },
    async imageFsInfo() {
      const usage = { timestamp: nowNs(), fsId: { mountpoint: '/' }, inodesUsed: { value: 0 } };
      const usedBytes = { value: images.all().reduce((sum, { size }) => sum + size, 0) };
      return criCodec.create('ImageFsInfoResponse', { imageFilesystems: [{ ...usage, usedBytes }] });
    },
  } satisfies Calls;

  return {
    ...podCalls,
    ...containerCalls,
    ...nodeCalls,
    ...imageCalls,
    readLog: (path) => logs.get(path) ?? '',
    crash(containerId, exitCode = 1) {
      const run = runs.get(containerId);
      if (!run || !isRunning(run)) return false;
      finish(run, exitCode);
      return true;
    },
    async [Symbol.asyncDispose]() {
      for (const run of runs.values()) for (const timer of run.timers) timer.cancel();
    },
  };
}

type Calls = { [M in CriMethod]?: (request: CriRequest<M>) => Promise<CriResponse<M>> };

function fail(method: CriMethod, code: CriErrorCode, message: string): never {
  throw new CriError(method, code, message);
}

const noStream = (method: CriMethod): never =>
  fail(
    method,
    'UNIMPLEMENTED',
    'This is a simulated node: its containers are not real, so nothing can be connected to them.',
  );

const matches = (labels: Record<string, string>, selector: Readonly<Record<string, string>> = {}): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

function sameFields(a: object | undefined, b: object, keys: readonly string[]): boolean {
  const value = (object: any, key: string) => object?.[key] || undefined; // '' and 0 are absent
  return keys.every((key) => value(a, key) === value(b, key));
}
