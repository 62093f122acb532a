import type { Fields } from './log.ts';

/**
 * The eight steps of a pod's life: 1 asked for, 2 stored, 3 made by its controller, 4 scheduled, 5 seen by the kubelet,
 * 6 asked of the container runtime, 7 made (sandbox, network, containers), 8 ready and reachable.
 */
export type Step = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** One thing that one component did for one object. */
export interface TraceRecord {
  /** Milliseconds since the epoch, with fractions where the clock has them. */
  at: number;
  step: Step;
  /** `apiserver`, `etcd`, `controller-manager`, `scheduler`, `kubelet`, `cri`, `cni`, `kube-proxy`, `dns`. */
  component: string;
  /** What happened, in a few words that do not change: `pod bound`, `sandbox created`. */
  event: string;
  /** The object: `pods`, `deployments.apps` ... with its namespace and name. */
  resource: string;
  namespace?: string;
  name: string;
  uid?: string;
  detail?: Fields;
}

/** What a component writes to. */
export interface Tracer {
  record(record: TraceRecord): void;
}

/** Keeps the newest `capacity` records; the oldest go first. */
export class Trace implements Tracer {
  readonly #records: (TraceRecord | undefined)[];
  readonly #capacity: number;
  #next = 0;
  constructor(capacity = 20_000) {
    this.#capacity = capacity;
    this.#records = new Array(capacity);
  }
  record(record: TraceRecord): void {
    this.#records[this.#next++ % this.#capacity] = record;
  }
  /** Records of one object, oldest first. */
  of(resource: string, namespace: string | undefined, name: string): TraceRecord[] {
    return this.where(
      (r) => r.resource === resource && r.name === name && (r.namespace ?? '') === (namespace ?? ''),
    );
  }
  where(matches: (record: TraceRecord) => boolean): TraceRecord[] {
    const start = Math.max(0, this.#next - this.#capacity);
    const found: TraceRecord[] = [];
    for (let i = start; i < this.#next; i++) {
      const record = this.#records[i % this.#capacity]!;
      if (matches(record)) found.push(record);
    }
    return found;
  }
}

export const noTrace: Tracer = { record() {} };
