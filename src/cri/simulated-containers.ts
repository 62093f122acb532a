// Containers of a simulated node.

import { type Container, ContainerState, type CriMethod, criCodec, PodSandboxState } from './cri.ts';
import { checkRequest } from './requests.ts';
import { type Calls, fail, isRunning, matches, type SimulatedNode, sameFields } from './simulated-node.ts';
import { courseOf, durationMs, execute } from './simulated-script.ts';
import { containerStats } from './simulated-stats.ts';

const prefix = 'simulation.wherry.dev/';

export const containerCalls = (node: SimulatedNode) =>
  ({
    async createContainer(request) {
      checkRequest('createContainer', request);
      const { podSandboxId, config = {} } = request;
      const pod = node.pod('createContainer', podSandboxId);
      const { metadata = {}, image = {} } = config;
      const found = node.images.find(image.image ?? '');
      if (!found) fail('createContainer', 'NOT_FOUND', `image "${image.image}": not found`);
      for (const { status } of node.runsOf(pod.status.id)) {
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
        ...{
          id: node.newId(),
          metadata,
          image,
          imageRef: found.id,
          createdAt: node.nowNs(),
          logPath: logFile,
        },
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
      node.runs.set(status.id, {
        ...{ podId: pod.status.id, status, course, logFile, timers: [] },
        execCode: execCode === undefined ? undefined : Number(execCode),
        resources: {
          cpuMillicores: Number(note('cpu-millicores') ?? 1),
          memoryBytes: Number(note('memory-bytes') ?? 8 << 20),
        },
      });
      return { containerId: status.id };
    },
    async startContainer({ containerId }) {
      const run = node.run('startContainer', containerId);
      if (run.status.state !== ContainerState.CONTAINER_CREATED || run.status.startedAt > 0) {
        fail('startContainer', 'UNKNOWN', `container "${containerId}" is not in the created state`);
      }
      if (node.pods.get(run.podId)?.status.state !== PodSandboxState.SANDBOX_READY) {
        fail('startContainer', 'UNKNOWN', `sandbox "${run.podId}" is not running`);
      }
      run.status.startedAt = node.nowNs();
      await node.wait(node.options.startMs ?? 10);
      if (!node.runs.has(run.status.id)) return {};
      run.status.state = ContainerState.CONTAINER_RUNNING;
      run.status.startedAt = node.nowNs();
      const { output, end } = run.course;
      for (const { atMs, text } of output) {
        if (end && atMs > end.atMs) continue;
        if (atMs === 0) node.log(run, text);
        else run.timers.push(node.options.clock.after(atMs, () => node.log(run, text)));
      }
      if (end) run.timers.push(node.options.clock.after(end.atMs, () => node.finish(run, end.code)));
      return {};
    },
    async stopContainer({ containerId, timeout = 0 }) {
      const run = node.runs.get(containerId ?? '');
      if (run) node.finish(run, timeout > 0 ? 143 : 137);
      return {};
    },
    async removeContainer({ containerId }) {
      const run = node.runs.get(containerId ?? '');
      if (run) node.finish(run, 137);
      node.runs.delete(containerId ?? '');
      return {};
    },
    async listContainers({ filter = {} }) {
      const containers = [...node.runs.values()].flatMap((run): Container[] => {
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
      const { status } = node.run('containerStatus', containerId);
      return criCodec.create('ContainerStatusResponse', { status });
    },
    async updateContainerResources({ containerId, linux }) {
      const { status } = node.run('updateContainerResources', containerId);
      const resources = { ...status.resources?.linux, ...linux };
      status.resources = criCodec.create('ContainerResources', { linux: resources });
      return {};
    },
    async reopenContainerLog({ containerId }) {
      node.logs.delete(node.run('reopenContainerLog', containerId).logFile);
      return {};
    },
    async execSync({ containerId, cmd = [], timeout = 0 }) {
      const run = node.run('execSync', containerId);
      if (!isRunning(run)) fail('execSync', 'UNKNOWN', `container "${containerId}" is not running`);
      const { stdout, code, tookMs } = execute(cmd);
      const late = timeout > 0 && tookMs > timeout * 1000;
      await node.wait(late ? timeout * 1000 : tookMs);
      if (late) fail('execSync', 'DEADLINE_EXCEEDED', `timeout ${timeout}s exceeded`);
      const bytes = { stdout: new TextEncoder().encode(stdout), stderr: new Uint8Array(0) };
      return { ...bytes, exitCode: run.execCode ?? code };
    },
    async containerStats({ containerId }) {
      return { stats: containerStats(node, node.run('containerStats', containerId)) };
    },
    async listContainerStats({ filter = {} }) {
      const chosen = [...node.runs.values()].filter(
        (run) =>
          isRunning(run) &&
          ((filter.id ?? '') === '' || run.status.id === filter.id) &&
          ((filter.podSandboxId ?? '') === '' || run.podId === filter.podSandboxId) &&
          matches(run.status.labels, filter.labelSelector),
      );
      return { stats: chosen.map((run) => containerStats(node, run)) };
    },
    exec: async () => noStream('exec'),
    attach: async () => noStream('attach'),
    portForward: async () => noStream('portForward'),
  }) satisfies Calls;

const noStream = (method: CriMethod): never =>
  fail(
    method,
    'UNIMPLEMENTED',
    'This is a simulated node: its containers are not real, so nothing can be connected to them.',
  );
