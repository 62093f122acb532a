import { pods } from '../api/core/pod.ts';
import type { PodCondition } from '../api/core/v1.gen.ts';
import type { Client } from '../client/client.ts';
import { type Clock, time } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { isNotFound } from '../machinery/status.ts';
import type { PodInfo } from './pod-info.ts';

interface Report {
  info: PodInfo;
  reason: string;
  message: string;
  /** '' clears it; undefined leaves it. */
  nominatedNodeName?: string;
}

const concurrency = 16;

/**
 * Writes into pods' status why they are not scheduled: in the background, a few at a time, and of several reports about one
 * pod only the newest. What the pod says already is not written again. There is one waiting report per pod at most, so the
 * pods that wait bound this.
 */
export class Reports {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<string, Report>();
  readonly #active = new Set<Promise<void>>();

  constructor(client: Client, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  add(report: Report): void {
    const { conditions, nominatedNodeName } = report.info.pod.status ?? {};
    const before = conditions?.find((c) => c.type === 'PodScheduled');
    const same =
      before?.status === 'False' &&
      before.reason === report.reason &&
      before.message === report.message &&
      (report.nominatedNodeName === undefined || report.nominatedNodeName === (nominatedNodeName ?? ''));
    if (same) return;
    this.#waiting.set(report.info.uid, report);
    this.#pump();
  }

  /** The pod has a node now: what was to be said is outdated. */
  drop(uid: string): void {
    this.#waiting.delete(uid);
  }

  async flush(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active);
  }

  #pump(): void {
    while (this.#active.size < concurrency && this.#waiting.size > 0) {
      const [uid, report] = this.#waiting.entries().next().value!;
      this.#waiting.delete(uid);
      const job = this.#write(report).finally(() => {
        this.#active.delete(job);
        this.#pump();
      });
      this.#active.add(job);
    }
  }

  async #write({ info, reason, message, nominatedNodeName }: Report): Promise<void> {
    const before = info.pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
    const condition: PodCondition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : time(this.#clock.now()),
      ...(info.pod.metadata.generation ? { observedGeneration: info.pod.metadata.generation } : {}),
    };
    const nominated = nominatedNodeName === undefined ? {} : { nominatedNodeName: nominatedNodeName || null };
    const body = { metadata: { uid: info.uid }, status: { ...nominated, conditions: [condition] } };
    try {
      const { namespace } = info;
      await this.#client(pods).patch(info.name, body, {
        namespace,
        type: 'strategic',
        subresource: 'status',
      });
    } catch (error) {
      this.#log[isNotFound(error) ? 'debug' : 'warn']('pod status not written', { pod: info.key, error });
    }
  }
}
