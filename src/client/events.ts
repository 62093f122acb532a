import { events } from '../api/core/event.ts';
import type { Event, ObjectReference } from '../api/core/v1.gen.ts';
import { type Clock, time } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { KubeObject } from '../machinery/meta.ts';
import { isAlreadyExists, isForbidden, isNotFound } from '../machinery/status.ts';
import type { Client } from './client.ts';

/** Whom an event is about. `kind` and `apiVersion` may stand in the object itself or be given here. */
export type Subject = KubeObject & { kind?: string; apiVersion?: string };

export interface EventRecorder {
  /** Never waits and never fails: events are told on a best-effort basis, in the background. */
  event(
    about: Subject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    fieldPath?: string,
  ): void;
  /** Resolves when all that was recorded so far is written or dropped. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  log: Log;
  /** `deployment-controller`, `default-scheduler`, `kubelet` ... */
  component: string;
  /** The node's name where there is one. */
  host?: string;
  /** Most events that wait to be written; newer ones are dropped beyond it. */
  capacity?: number;
  /** Writes under way at once. */
  concurrency?: number;
}

/** More than this many different messages of one kind within ten minutes become one event. */
const similarLimit = 10;
const similarWindowMs = 600_000;
/** An object may have this many events at once, and one more in each five minutes. */
const burst = 25;
const refillMs = 300_000;
const remembered = 4096;

interface Told {
  name: string;
  count: number;
  first: string;
}

/** Keeps the `limit` most recently used entries. */
class Recent<V> {
  readonly #map = new Map<string, V>();
  readonly #limit: number;
  constructor(limit: number) {
    this.#limit = limit;
  }
  get(key: string): V | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }
  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size > this.#limit) this.#map.delete(this.#map.keys().next().value!);
  }
}

/**
 * Writes core/v1 Events in the background. An event told again only counts up; many that differ in nothing but the message
 * are told as one, `(combined from similar events): ...`; an object that talks too much is cut off for a while.
 */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, log, component } = options;
  const capacity = options.capacity ?? 5_000;
  const concurrency = options.concurrency ?? 8;
  const told = new Recent<Told>(remembered);
  const similar = new Recent<{ since: number; messages: Set<string> }>(remembered);
  const budget = new Recent<{ left: number; at: number }>(remembered);
  const waiting: (() => Promise<void>)[] = [];
  const source = options.host ? { component, host: options.host } : { component };
  let active = 0;
  let dropped = 0;
  const idle: (() => void)[] = [];
  let lastStamp = 0;

  /** Names end in the time in nanoseconds, as hex; never the same twice. */
  const stamp = (): string => {
    lastStamp = Math.max(lastStamp + 1, Math.floor(clock.now() * 1000));
    return (BigInt(lastStamp) * 1000n).toString(16);
  };

  const mayTell = (subject: string): boolean => {
    const now = clock.now();
    const known = budget.get(subject) ?? { left: burst, at: now };
    const left = Math.min(burst, known.left + (now - known.at) / refillMs);
    budget.set(subject, { left: left >= 1 ? left - 1 : left, at: now });
    return left >= 1;
  };

  const write = async (event: Event, key: string): Promise<void> => {
    const before = told.get(key);
    if (before) {
      const count = before.count + 1;
      const patch = { count, lastTimestamp: event.lastTimestamp, message: event.message };
      const namespace = event.metadata.namespace!;
      told.set(key, { ...before, count });
      try {
        await client(events).patch(before.name, patch, { namespace, type: 'merge' });
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        event.count = count;
        event.firstTimestamp = before.first;
      }
    }
    told.set(key, { name: event.metadata.name!, count: event.count!, first: event.firstTimestamp! });
    await client(events).create(event);
  };

  const pump = (): void => {
    while (active < concurrency && waiting.length > 0) {
      active++;
      const job = waiting.shift()!;
      void job().finally(() => {
        active--;
        pump();
      });
    }
    if (active === 0 && waiting.length === 0) for (const done of idle.splice(0)) done();
  };

  return {
    event(about, type, reason, message, fieldPath) {
      const { name, namespace, uid, resourceVersion } = about.metadata;
      const involvedObject: ObjectReference = {
        kind: about.kind,
        ...(namespace ? { namespace } : {}),
        name,
        uid,
        apiVersion: about.apiVersion,
        resourceVersion,
        ...(fieldPath ? { fieldPath } : {}),
      };
      const subject = `${about.kind}/${namespace ?? ''}/${name}/${uid}/${fieldPath ?? ''}`;
      if (!mayTell(subject)) return;
      const group = `${subject}/${type}/${reason}`;
      const now = clock.now();
      let kin = similar.get(group);
      if (!kin || now - kin.since > similarWindowMs)
        similar.set(group, (kin = { since: now, messages: new Set() }));
      if (kin.messages.size < similarLimit) kin.messages.add(message);
      const combined = kin.messages.size >= similarLimit && !kin.messages.has(message);
      const at = time(now);
      const event: Event = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name}.${stamp()}`, namespace: namespace || 'default' },
        involvedObject,
        reason,
        message: (combined ? `(combined from similar events): ${message}` : message).slice(0, 1024),
        source,
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
        type,
        reportingComponent: component,
        reportingInstance: options.host ?? '',
      };
      if (waiting.length >= capacity) {
        if (dropped++ % 1000 === 0) log.warn('events dropped', { component, dropped });
        return;
      }
      waiting.push(async () => {
        try {
          await write(event, combined ? group : `${group}/${message}`);
        } catch (error) {
          // The namespace may be going, or the event may be there already: neither is worth another try.
          const expected = isForbidden(error) || isNotFound(error) || isAlreadyExists(error);
          log[expected ? 'debug' : 'warn']('event not written', { component, reason, about: name, error });
        }
      });
      pump();
    },
    flush: () =>
      active === 0 && waiting.length === 0 ? Promise.resolve() : new Promise((done) => idle.push(done)),
  };
}

/** Drops every event: for tests of pure logic. */
export const noEvents: EventRecorder = { event() {}, flush: () => Promise.resolve() };
