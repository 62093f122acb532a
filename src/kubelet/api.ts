// What the API server asks of a kubelet. In one process it is called directly; node/server.ts serves the same over HTTPS.
import type { Pod } from '../api/core/v1.gen.ts';
import type { LogOptions } from './container-logs.ts';
import type { NodeStats } from './stats.ts';

export type { LogOptions } from './container-logs.ts';
export type { NodeStats, PodStats } from './stats.ts';

export interface StreamOptions {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  tty?: boolean;
}

export interface ImageVolumeCounts {
  requested: number;
  mounted: number;
  failed: number;
}

export interface KubeletApi {
  readonly nodeName: string;
  /** The pods of this node, with the statuses that the kubelet has worked out. */
  pods(): Pod[];
  /**
   * The log of a container, in chunks; with `follow` until the container ends or the signal aborts. `container` may be '' for
   * a pod with only one. Rejects with a StatusError: 404 no such pod, 400 no such container or nothing to read yet.
   */
  containerLogs(
    namespace: string,
    pod: string,
    container: string,
    options?: LogOptions & { previous?: boolean },
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /**
   * These three give `{ url }` of a one-time endpoint of the runtime that speaks SPDY/3.1 (see cri.ts). Rejections are
   * StatusErrors: 404 no such pod, 400 or 404 no such container, 500 what the runtime says.
   */
  exec(
    namespace: string,
    pod: string,
    container: string,
    command: string[],
    options: StreamOptions,
  ): Promise<{ url: string }>;
  attach(namespace: string, pod: string, container: string, options: StreamOptions): Promise<{ url: string }>;
  portForward(namespace: string, pod: string, ports: number[]): Promise<{ url: string }>;
  /** Runs a command to its end and gives what it wrote. */
  run(
    namespace: string,
    pod: string,
    container: string,
    command: string[],
  ): Promise<{ output: Uint8Array; exitCode: number }>;
  /** As of /stats/summary. */
  stats(): Promise<NodeStats>;
  /** As of /metrics/resource: Prometheus' text format. */
  metrics(): Promise<string>;
  /** As of /metrics/probes. */
  probes(): string;
  /** Image volumes since the kubelet runs. */
  imageVolumes(): ImageVolumeCounts;
  healthy(): boolean;
}
