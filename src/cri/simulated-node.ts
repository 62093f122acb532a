// The state of a simulated node, which its pods, containers and statistics share.

import type { Clock, Random, Timer } from '../machinery/clock.ts';
import {
  ContainerState,
  type ContainerStatus,
  CriError,
  type CriErrorCode,
  type CriMethod,
  type CriRequest,
  type CriResponse,
  criCodec,
  type PodSandboxConfig,
  PodSandboxState,
  type PodSandboxStatus,
} from './cri.ts';
import { type AddressPool, addressPool } from './simulated-addresses.ts';
import { type SimulatedImages, simulatedImages } from './simulated-images.ts';
import type { Course } from './simulated-script.ts';

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

export interface Pod {
  readonly config: PodSandboxConfig;
  readonly status: PodSandboxStatus;
  /** '' on the host's network, and once it is released. */
  address: string;
}

/** A container. */
export interface Run {
  readonly podId: string;
  readonly status: ContainerStatus;
  readonly course: Course;
  readonly logFile: string;
  readonly resources: { readonly cpuMillicores: number; readonly memoryBytes: number };
  readonly execCode: number | undefined;
  timers: Timer[];
}

/** Some of the calls of a runtime. */
export type Calls = { [M in CriMethod]?: (request: CriRequest<M>) => Promise<CriResponse<M>> };

export function fail(method: CriMethod, code: CriErrorCode, message: string): never {
  throw new CriError(method, code, message);
}

export const isRunning = ({ status }: Run): boolean => status.state === ContainerState.CONTAINER_RUNNING;

/** Equality on all labels of a selector. */
export const matches = (
  labels: Record<string, string>,
  selector: Readonly<Record<string, string>> = {},
): boolean => Object.entries(selector).every(([key, value]) => labels[key] === value);

/** Whether the named fields are equal; '' and 0 are the same as absent. */
export function sameFields(a: object | undefined, b: object, keys: readonly string[]): boolean {
  const value = (object: any, key: string) => object?.[key] || undefined; // '' and 0 are absent
  return keys.every((key) => value(a, key) === value(b, key));
}

const hex = '0123456789abcdef';

export class SimulatedNode {
  readonly pods = new Map<string, Pod>();
  readonly runs = new Map<string, Run>();
  /** What containers wrote, by the path of the log file. */
  readonly logs = new Map<string, string>();
  readonly addresses: AddressPool;
  readonly images: SimulatedImages;
  readonly options: SimulatedOptions;

  constructor(options: SimulatedOptions) {
    this.options = options;
    this.addresses = addressPool(options.podCIDR);
    this.images = simulatedImages(options.images ?? []);
  }

  nowNs(): number {
    return this.options.clock.now() * 1e6;
  }

  newId(): string {
    return Array.from({ length: 64 }, () => hex[Math.floor(this.options.random() * 16)]).join('');
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.options.clock.after(delayMs, resolve));
  }

  pod(method: CriMethod, id: string | undefined): Pod {
    return this.pods.get(id ?? '') ?? fail(method, 'NOT_FOUND', `sandbox "${id}": not found`);
  }

  run(method: CriMethod, id: string | undefined): Run {
    return this.runs.get(id ?? '') ?? fail(method, 'NOT_FOUND', `container "${id}": not found`);
  }

  runsOf(podId: string): Run[] {
    return [...this.runs.values()].filter((run) => run.podId === podId);
  }

  log(run: Run, text: string): void {
    const at = new Date(this.options.clock.now()).toISOString();
    this.logs.set(run.logFile, `${this.logs.get(run.logFile) ?? ''}${at} stdout F ${text}\n`);
  }

  /** Ends a container; nothing when it does not run. */
  finish(run: Run, code: number): void {
    if (!isRunning(run)) return;
    for (const timer of run.timers.splice(0)) timer.cancel();
    run.status.state = ContainerState.CONTAINER_EXITED;
    run.status.exitCode = code;
    run.status.finishedAt = this.nowNs();
    run.status.reason = code === 0 ? 'Completed' : 'Error';
  }

  /** Ends the containers and gives the address back; nothing when that has been done or the pod is gone. */
  stopPod(id: string): void {
    for (const run of this.runsOf(id)) this.finish(run, 137);
    const pod = this.pods.get(id);
    if (!pod) return;
    pod.status.state = PodSandboxState.SANDBOX_NOTREADY;
    pod.status.network = criCodec.create('PodSandboxNetworkStatus', {});
    if (pod.address !== '') this.addresses.release(pod.address);
    pod.address = '';
  }
}
