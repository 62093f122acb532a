// What every container runtime must do, as cases that run against any implementation: simulated.test.ts and
// node/containerd.test.ts run them all. A case leaves nothing behind when it succeeds.

import {
  type ContainerConfig,
  type ContainerRuntime,
  ContainerState,
  type ContainerStatus,
  CriError,
  type CriErrorCode,
  isGone,
  NamespaceMode,
  type PodSandboxConfig,
  PodSandboxState,
} from './cri.ts';

export interface RuntimeHarness {
  readonly runtime: ContainerRuntime;
  /** Of an image that is present, has `sh`, and is known to no other case. */
  readonly image: string;
  readonly logDirectory: string;
  /** Parent of the pods' cgroups. */
  readonly cgroupParent: string;
  /** Pod addresses begin with this. */
  readonly addressPrefix: string;
  readLog(path: string): Promise<string>;
  /** Lets time pass, real or virtual. */
  pass(ms: number): Promise<void>;
  /** Makes an image present under the given name. */
  provideImage(name: string): Promise<void>;
}

export interface RuntimeCase {
  readonly name: string;
  run(harness: RuntimeHarness): Promise<void>;
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the runtime does not keep its contract: ${what}`);
}

// A map has no order: containerd gives labels back in any.
const sortKeys = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual, sortKeys), JSON.stringify(expected, sortKeys)];
  check(a === b, `${what} is ${a}, expected ${b}`);
}

async function refused(call: Promise<unknown>, codes: readonly CriErrorCode[], what: string): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  check(error instanceof CriError, `${what} should be refused, and gave ${String(error)}`);
  check(
    codes.includes(error.code),
    `${what} should be refused with ${codes.join(' or ')}, not ${error.code}`,
  );
}

let pods = 0;

/** A pod for one case, and the ways to use it. */
async function startPod(harness: RuntimeHarness, more: PodSandboxConfig = {}) {
  const { runtime, logDirectory, image, cgroupParent } = harness;
  const number = ++pods;
  const config: PodSandboxConfig = {
    metadata: { name: `pod-${number}`, namespace: 'suite', uid: `uid-${number}`, attempt: 0 },
    hostname: `pod-${number}`,
    logDirectory,
    labels: { app: 'suite', number: String(number) },
    annotations: { note: 'kept' },
    ...more,
    linux: {
      cgroupParent,
      securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } },
      ...more.linux,
    },
  };
  const { podSandboxId } = await runtime.runPodSandbox({ config });
  const create = async (name: string, command: readonly string[], rest: ContainerConfig = {}) => {
    const logPath = `${number}-${name}.log`;
    const container = { metadata: { name, attempt: 0 }, image: { image }, command, logPath, ...rest };
    const made = await runtime.createContainer({ podSandboxId, config: container, sandboxConfig: config });
    return { id: made.containerId, log: () => harness.readLog(`${logDirectory}/${logPath}`) };
  };
  return {
    id: podSandboxId,
    config,
    create,
    async start(name: string, command: readonly string[], rest?: ContainerConfig) {
      const container = await create(name, command, rest);
      await runtime.startContainer({ containerId: container.id });
      return container;
    },
    async remove() {
      await runtime.stopPodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
    },
  };
}

async function statusOf({ runtime }: RuntimeHarness, containerId: string): Promise<ContainerStatus> {
  const { status } = await runtime.containerStatus({ containerId });
  check(status !== undefined, 'containerStatus has a status');
  return status;
}

async function exited(harness: RuntimeHarness, containerId: string): Promise<ContainerStatus> {
  for (let tries = 0; tries < 500; tries++) {
    const status = await statusOf(harness, containerId);
    if (status.state === ContainerState.CONTAINER_EXITED) return status;
    await harness.pass(20);
  }
  throw new Error('the container has not ended within ten seconds');
}

const forever = ['sleep', '100000'];
const shell = (script: string): string[] => ['sh', '-c', script];

export const runtimeCases: readonly RuntimeCase[] = [
  {
    name: 'is a CRI v1 runtime that is ready',
    async run({ runtime }) {
      const version = await runtime.version({});
      same(version.runtimeApiVersion, 'v1', 'runtimeApiVersion');
      check(version.runtimeName !== '' && version.runtimeVersion !== '', 'name and version are there');
      const { status } = await runtime.status({});
      const ready = status!.conditions.filter((condition) => condition.status).map(({ type }) => type);
      same(ready.sort(), ['NetworkReady', 'RuntimeReady'], 'ready conditions');
      await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '' } } });
    },
  },
  {
    name: 'runs, lists, stops and removes a pod sandbox',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const other = await startPod(harness);
      const { status } = await runtime.podSandboxStatus({ podSandboxId: pod.id });
      same(status!.state, PodSandboxState.SANDBOX_READY, 'state');
      same(status!.metadata, { ...status!.metadata, ...pod.config.metadata }, 'metadata');
      same(status!.labels, pod.config.labels, 'labels');
      same(status!.annotations, pod.config.annotations, 'annotations');
      check(status!.createdAt > 0, 'createdAt is set');
      const { ip } = status!.network!;
      check(ip.startsWith(harness.addressPrefix), `the address ${ip} is of the pod range`);
      const second = await runtime.podSandboxStatus({ podSandboxId: other.id });
      check(second.status!.network!.ip !== ip, 'two pods have two addresses');

      const list = async (filter: object) =>
        (await runtime.listPodSandbox({ filter })).items.map(({ id }) => id);
      const labelSelector = { number: pod.config.labels!['number']! };
      same(await list({ labelSelector }), [pod.id], 'list by label');
      same(await list({ id: other.id }), [other.id], 'list by id');
      const ready = { state: { state: PodSandboxState.SANDBOX_READY }, labelSelector };
      const notReady = { state: { state: PodSandboxState.SANDBOX_NOTREADY }, labelSelector };
      same(await list(ready), [pod.id], 'list of ready');

      await runtime.stopPodSandbox({ podSandboxId: pod.id });
      await runtime.stopPodSandbox({ podSandboxId: pod.id });
      same([await list(ready), await list(notReady)], [[], [pod.id]], 'lists after the stop');
      await pod.remove();
      await refused(
        runtime.podSandboxStatus({ podSandboxId: pod.id }),
        ['NOT_FOUND'],
        'status of a removed pod',
      );
      await pod.remove(); // idempotent
      await runtime.removePodSandbox({ podSandboxId: other.id }); // without a stop before
      same(await list({ labelSelector: { app: 'suite' } }), [], 'what is left');
    },
  },
  {
    name: 'refuses a pod sandbox that is there already, and takes its next attempt',
    async run(harness) {
      const pod = await startPod(harness);
      await refused(
        harness.runtime.runPodSandbox({ config: pod.config }),
        ['UNKNOWN', 'ALREADY_EXISTS'],
        'a second one',
      );
      const next = await startPod(harness, { metadata: { ...pod.config.metadata, attempt: 1 } });
      await Promise.all([pod.remove(), next.remove()]);
    },
  },
  {
    name: "gives a pod on the host's network no address",
    async run(harness) {
      const namespaceOptions = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER };
      const pod = await startPod(harness, { hostname: '', linux: { securityContext: { namespaceOptions } } });
      const { status } = await harness.runtime.podSandboxStatus({ podSandboxId: pod.id });
      same(status!.network?.ip ?? '', '', 'ip');
      same(status!.linux!.namespaces!.options!.network, NamespaceMode.NODE, 'network namespace');
      await pod.remove();
    },
  },
  {
    name: 'runs a container to its end: states, exit code, log',
    async run(harness) {
      const pod = await startPod(harness);
      const container = await pod.create('main', shell('echo hello; sleep 0.3; echo bye; exit 3'), {
        labels: { tier: 'a' },
        annotations: { restart: '0' },
      });
      const before = await statusOf(harness, container.id);
      same(
        [before.state, before.startedAt, before.finishedAt],
        [ContainerState.CONTAINER_CREATED, 0, 0],
        'created',
      );
      same([before.labels, before.annotations], [{ tier: 'a' }, { restart: '0' }], 'labels and annotations');
      await harness.runtime.startContainer({ containerId: container.id });
      const running = await statusOf(harness, container.id);
      same(running.state, ContainerState.CONTAINER_RUNNING, 'state after the start');
      check(running.startedAt >= running.createdAt, 'startedAt is not before createdAt');
      const end = await exited(harness, container.id);
      same([end.exitCode, end.reason], [3, 'Error'], 'exit code and reason');
      check(end.finishedAt >= end.startedAt, 'finishedAt is not before startedAt');
      const lines = (await container.log()).trimEnd().split('\n');
      const line = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) stdout F (.*)$/;
      same(
        lines.map((text) => line.exec(text)?.[3]),
        ['hello', 'bye'],
        'log lines',
      );
      const good = await pod.start('good', shell('exit 0'));
      const success = await exited(harness, good.id);
      same([success.exitCode, success.reason], [0, 'Completed'], 'exit code and reason of success');
      await pod.remove();
    },
  },
  {
    name: 'lists containers by pod, state and label',
    async run(harness) {
      const { runtime } = harness;
      const [pod, other] = [await startPod(harness), await startPod(harness)];
      const a = await pod.start('a', forever, { labels: { name: 'a' } });
      const b = await pod.create('b', forever, { labels: { name: 'b' } });
      const c = await other.start('c', forever, { labels: { name: 'c' } });
      const list = async (filter: object) =>
        (await runtime.listContainers({ filter })).containers.map(({ id }) => id).sort();
      same(await list({ podSandboxId: pod.id }), [a.id, b.id].sort(), 'list by pod');
      same(await list({ id: c.id }), [c.id], 'list by id');
      const created = { state: ContainerState.CONTAINER_CREATED };
      same(await list({ podSandboxId: pod.id, state: created }), [b.id], 'list of created');
      same(await list({ labelSelector: { name: 'c' } }), [c.id], 'list by label');
      const [container] = (await runtime.listContainers({ filter: { id: a.id } })).containers;
      same([container!.podSandboxId, container!.metadata!.name], [pod.id, 'a'], 'pod and name in the list');
      await Promise.all([pod.remove(), other.remove()]);
    },
  },
  {
    name: 'stops and removes containers, any number of times',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const container = await pod.start('main', forever);
      await runtime.stopContainer({ containerId: container.id, timeout: 0 });
      const { state, exitCode } = await statusOf(harness, container.id);
      same([state, exitCode], [ContainerState.CONTAINER_EXITED, 137], 'state and code after the stop');
      await runtime.stopContainer({ containerId: container.id, timeout: 0 });
      await refused(runtime.startContainer({ containerId: container.id }), ['UNKNOWN'], 'a second start');
      await runtime.removeContainer({ containerId: container.id });
      await runtime.removeContainer({ containerId: container.id });
      await runtime.stopContainer({ containerId: container.id, timeout: 0 });
      const gone = await runtime.containerStatus({ containerId: container.id }).catch((error) => error);
      check(isGone(gone), 'the status of a removed container is NOT_FOUND');
      const again = await pod.start('main', forever); // the name is free again
      await runtime.removeContainer({ containerId: again.id }); // while it runs
      const graceful = await pod.start(
        'graceful',
        shell("trap 'exit 0' TERM; while true; do sleep 0.1; done"),
      );
      await harness.pass(200);
      await runtime.stopContainer({ containerId: graceful.id, timeout: 5 });
      const code = (await statusOf(harness, graceful.id)).exitCode;
      check(code === 0 || code === 143, `a container that ends on SIGTERM is not killed (code ${code})`);
      await pod.remove();
    },
  },
  {
    name: 'refuses containers that cannot be',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const absent = pod.create('main', forever, { image: { image: 'wherry.test/absent:1' } });
      await refused(absent, ['NOT_FOUND'], 'a container of an absent image');
      await pod.create('main', forever);
      await refused(
        pod.create('main', forever),
        ['UNKNOWN', 'ALREADY_EXISTS'],
        'a container of the same name',
      );
      await refused(
        runtime.startContainer({ containerId: 'none' }),
        ['NOT_FOUND'],
        'the start of no container',
      );
      await pod.remove();
    },
  },
  {
    name: 'kills containers with their pod',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const container = await pod.start('main', forever);
      await runtime.stopPodSandbox({ podSandboxId: pod.id });
      const { state, exitCode } = await statusOf(harness, container.id);
      same([state, exitCode], [ContainerState.CONTAINER_EXITED, 137], 'state and code');
      await runtime.removePodSandbox({ podSandboxId: pod.id });
      const filter = { podSandboxId: pod.id };
      same((await runtime.listContainers({ filter })).containers, [], 'containers after the removal');
    },
  },
  {
    name: 'executes commands in containers',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const container = await pod.start('main', forever);
      const execute = (timeout: number, ...cmd: string[]) =>
        runtime.execSync({ containerId: container.id, cmd, timeout });
      const result = await execute(10, ...shell('echo hi; exit 4'));
      same([new TextDecoder().decode(result.stdout), result.exitCode], ['hi\n', 4], 'output and code');
      same((await execute(0, 'true')).exitCode, 0, 'code of true');
      await refused(execute(1, 'sleep', '30'), ['DEADLINE_EXCEEDED'], 'a command that takes too long');
      await runtime.stopContainer({ containerId: container.id, timeout: 0 });
      await refused(execute(5, 'true'), ['UNKNOWN', 'NOT_FOUND'], 'a command in a container that has ended');
      await pod.remove();
    },
  },
  {
    name: 'tells what containers use',
    async run(harness) {
      const { runtime } = harness;
      const pod = await startPod(harness);
      const container = await pod.start('main', forever);
      const { stats } = await runtime.containerStats({ containerId: container.id });
      same(stats!.attributes!.id, container.id, 'id in the statistics');
      check(
        stats!.cpu!.timestamp > 0 && stats!.memory!.workingSetBytes !== undefined,
        'cpu and memory are there',
      );
      const listed = await runtime.listContainerStats({ filter: { podSandboxId: pod.id } });
      same(
        listed.stats.map(({ attributes }) => attributes!.id),
        [container.id],
        'list of statistics',
      );
      const linux = { memoryLimitInBytes: 64 << 20, cpuShares: 256, cpuPeriod: 100_000, cpuQuota: 50_000 };
      await runtime.updateContainerResources({ containerId: container.id, linux });
      await pod.remove();
    },
  },
  {
    name: 'reopens a log that was taken away',
    async run(harness) {
      const pod = await startPod(harness);
      const container = await pod.start('main', shell('echo one; sleep 0.5; echo two; sleep 1000'));
      await harness.runtime.reopenContainerLog({ containerId: container.id });
      for (let tries = 0; tries < 100 && !(await container.log()).includes('two'); tries++)
        await harness.pass(50);
      check(
        (await container.log()).includes('stdout F two'),
        'what is written after the reopening is in the log',
      );
      await pod.remove();
    },
  },
  {
    name: 'knows its images',
    async run(harness) {
      const { runtime } = harness;
      const name = 'docker.io/library/suite-image:v1';
      same(
        (await runtime.imageStatus({ image: { image: name } })).image,
        undefined,
        'status of an absent image',
      );
      await harness.provideImage(name);
      const { image } = await runtime.imageStatus({ image: { image: 'suite-image:v1' } }); // short names are completed
      check(
        image !== undefined && image.id.startsWith('sha256:') && image.size > 0,
        'the image has an id and a size',
      );
      check(image.repoTags.includes(name), 'the image has its name');
      same((await runtime.imageStatus({ image: { image: image.id } })).image?.id, image.id, 'status by id');
      const ids = (await runtime.listImages({})).images.map(({ id }) => id);
      check(ids.includes(image.id), 'the image is listed');
      await runtime.removeImage({ image: { image: name } });
      await runtime.removeImage({ image: { image: name } });
      same(
        (await runtime.imageStatus({ image: { image: name } })).image,
        undefined,
        'status after the removal',
      );
      const pull = runtime.pullImage({ image: { image: 'registry.invalid/none:v1' } });
      await refused(pull, ['UNKNOWN', 'UNAVAILABLE'], 'a pull from nowhere');
      check((await runtime.imageFsInfo({})).imageFilesystems.length > 0, 'there is a filesystem of images');
    },
  },
];
