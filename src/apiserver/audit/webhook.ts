import type { Clock, Random } from '../../machinery/clock.ts';
import { sleep } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { type Callee, type Outbound, readBody } from '../outbound/outbound.ts';
import type { AuditBackend } from './auditor.ts';
import type { AuditEvent } from './event.ts';

export interface WebhookOptions {
  callee: Callee;
  /** What proves who we are, besides the callee's identity: `Bearer …`. */
  authorization?: string;
  outbound: Outbound;
  clock: Clock;
  random: Random;
  log: Log;
  /** Events that may wait; more are dropped. */
  bufferSize?: number;
  /** Events of one request, and how long the first of them waits for the others. */
  maxBatchSize?: number;
  maxWaitMs?: number;
  /** Before the first repetition of a request that failed. */
  initialBackoffMs?: number;
}

const tries = 5;
const timeoutMs = 30_000;
const longestAnswer = 1 << 16;
/** How long the end waits for what is still to be sent. */
const closeMs = 5000;

/** Sends events in lists to an HTTPS server. Source: "Auditing", Webhook backend and Event batching. */
export function webhookBackend(options: WebhookOptions): AuditBackend {
  const { clock, random, log, outbound, callee } = options;
  const { bufferSize = 10_000, maxBatchSize = 400, maxWaitMs = 30_000, initialBackoffMs = 10_000 } = options;
  const ended = new AbortController();
  let waiting: AuditEvent[] = [];
  let timer: { cancel(): void } | undefined;
  let sending: Promise<void> = Promise.resolve();
  let busy = 0;
  let dropped = 0;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    while (waiting.length) {
      const batch = waiting.slice(0, maxBatchSize);
      waiting = waiting.slice(maxBatchSize);
      busy += batch.length;
      sending = sending.then(() => deliver(batch)).finally(() => (busy -= batch.length));
    }
  }

  async function deliver(items: AuditEvent[]): Promise<void> {
    const list = { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items };
    const body = new TextEncoder().encode(JSON.stringify(list));
    let backoffMs = initialBackoffMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await post(body);
      } catch (error) {
        if (ended.signal.aborted || attempt === tries) {
          log.error('audit events could not be sent', { events: items.length, error: String(error) });
          return;
        }
      }
      await sleep(clock, backoffMs * (1 + random() * 0.2), ended.signal).catch(() => {});
      backoffMs *= 1.5;
    }
  }

  async function post(body: Uint8Array): Promise<void> {
    const { authorization } = options;
    const response = await outbound.send(callee, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': String(body.length),
        ...(authorization ? { authorization } : {}),
      },
      body,
      timeoutMs,
    });
    const text = new TextDecoder().decode(await readBody(response, longestAnswer));
    if (response.code >= 300) throw new Error(`the webhook answered ${response.code}: ${text.slice(0, 200)}`);
  }

  return {
    name: 'webhook',
    write(event) {
      if (waiting.length + busy >= bufferSize) {
        if (dropped++ % 1000 === 0)
          log.error('audit events are dropped: the webhook is too slow', { dropped });
        throw new Error('the buffer is full');
      }
      waiting.push(event);
      if (waiting.length >= maxBatchSize) flush();
      else timer ??= clock.after(maxWaitMs, flush);
    },
    async close() {
      flush();
      const late = clock.after(closeMs, () => ended.abort(new Error('the server ends')));
      await sending;
      late.cancel();
    },
  };
}
