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

import type { ContainerRuntime, Image } from './cri.ts';
import { criCodec } from './cri.ts';
import { containerCalls } from './simulated-containers.ts';
import { type Calls, isRunning, SimulatedNode, type SimulatedOptions } from './simulated-node.ts';
import { podCalls } from './simulated-pods.ts';

export type { SimulatedOptions } from './simulated-node.ts';

export interface SimulatedRuntime extends ContainerRuntime, AsyncDisposable {
  /** What containers wrote, by the full path of the log file, in the CRI's log format; '' for an unknown path. */
  readLog(path: string): string;
  /** Makes a running container end now, as by a crash. False when it does not run. */
  crash(containerId: string, exitCode?: number): boolean;
}

/** A node's runtime in memory. Nothing is kept after it is disposed of: timers are cancelled. */
export function simulatedRuntime(options: SimulatedOptions): SimulatedRuntime {
  const node = new SimulatedNode(options);
  return {
    ...nodeCalls,
    ...podCalls(node),
    ...containerCalls(node),
    ...imageCalls(node),
    readLog: (path) => node.logs.get(path) ?? '',
    crash(containerId, exitCode = 1) {
      const run = node.runs.get(containerId);
      if (!run || !isRunning(run)) return false;
      node.finish(run, exitCode);
      return true;
    },
    async [Symbol.asyncDispose]() {
      for (const run of node.runs.values()) for (const timer of run.timers) timer.cancel();
    },
  };
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

const imageCalls = (node: SimulatedNode) =>
  ({
    async listImages({ filter }) {
      const wanted = filter?.image?.image ?? '';
      return {
        images:
          wanted === ''
            ? node.images.all()
            : [node.images.find(wanted)].filter((image): image is Image => !!image),
      };
    },
    async imageStatus({ image }) {
      return criCodec.create('ImageStatusResponse', { image: node.images.find(image?.image ?? '') });
    },
    async pullImage({ image }) {
      return { imageRef: node.images.pull(image?.image ?? '').id };
    },
    async removeImage({ image }) {
      node.images.remove(image?.image ?? '');
      return {};
    },
    async imageFsInfo() {
      const usage = { timestamp: node.nowNs(), fsId: { mountpoint: '/' }, inodesUsed: { value: 0 } };
      const usedBytes = { value: node.images.all().reduce((sum, { size }) => sum + size, 0) };
      return criCodec.create('ImageFsInfoResponse', { imageFilesystems: [{ ...usage, usedBytes }] });
    },
  }) satisfies Calls;
