import type { ClientDuplexStream } from '@grpc/grpc-js';
import { CompactedError, type KeyValue, type StoreEvent, type WatchOptions } from '../../machinery/store.ts';
import { bytesOf, keyOf, type Read, type Write } from '../messages.ts';
import type { EtcdConnection } from './etcd-connection.ts';

type Stream = ClientDuplexStream<Write<'WatchRequest'>, Read<'WatchResponse'>>;

interface Watch extends WatchOptions {
  id: number;
  /** The first revision that it has not been given: all events before are. */
  next: number;
}

export function readKeyValue(kv: Read<'KeyValue'>): KeyValue {
  const { value, createRevision, modRevision, version, lease } = kv;
  return {
    ...{ key: keyOf(kv.key), value, createRevision, modRevision, version },
    ...(lease ? { lease } : {}),
  };
}

const firstRetryMs = 50;
const lastRetryMs = 2000;

/** `end` on the wire; an end beyond all bytes is the zero byte, which means everything. */
export const rangeEnd = (end: string | undefined): Uint8Array | undefined =>
  end === undefined ? undefined : end > '\u00ff' ? Uint8Array.of(0) : bytesOf(end);

/** All watches of one client, on one stream that is opened again when it breaks, each where it was. */
export class RemoteWatches {
  readonly #connection: EtcdConnection;
  readonly #watches = new Map<number, Watch>();
  #waiters: { holds: () => boolean; done: () => void }[] = [];
  #stream: Stream | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  #nextId = 1;
  #closed = false;
  /** The newest revision of which any watch has been given an event. */
  newest = 0;

  constructor(connection: EtcdConnection) {
    this.#connection = connection;
  }

  add(options: WatchOptions, from: number): { stop: () => void; reached: () => number } {
    const watch: Watch = { ...options, id: this.#nextId++, next: from };
    this.#watches.set(watch.id, watch);
    if (this.#stream) this.#ask(watch);
    else if (!this.#retry) this.#open();
    return {
      reached: () => watch.next - 1,
      stop: () => {
        if (!this.#watches.delete(watch.id)) return;
        this.#stream?.write({ cancelRequest: { watchId: watch.id } });
        this.#wake();
      },
    };
  }

  #ask({ id, key, end, next }: Watch): void {
    const range = end === undefined ? {} : { rangeEnd: rangeEnd(end) };
    this.#stream!.write({
      createRequest: { key: bytesOf(key), ...range, startRevision: next, prevKv: true, watchId: id },
    });
  }

  #open(): void {
    const stream = this.#connection.watch();
    this.#stream = stream;
    const broken = () => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      if (this.#closed) return;
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#open();
      }, this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs);
    };
    stream.on('data', (response: Read<'WatchResponse'>) => {
      this.#retryMs = firstRetryMs;
      if (this.#stream === stream) this.#receive(response);
    });
    stream.on('error', broken);
    stream.on('end', broken);
    for (const watch of this.#watches.values()) this.#ask(watch);
  }

  #receive(response: Read<'WatchResponse'>): void {
    const watch = this.#watches.get(response.watchId);
    if (!watch) return;
    if (response.canceled) {
      this.#watches.delete(watch.id);
      watch.onEnd?.(
        response.compactRevision ? new CompactedError(watch.next) : new Error(response.cancelReason),
      );
      this.#wake();
      return;
    }
    const last = response.events.at(-1)?.kv?.modRevision;
    if (last === undefined) return;
    watch.next = last + 1;
    this.newest = Math.max(this.newest, last);
    watch.onEvents(response.events.map(readEvent), last);
    this.#wake();
  }

  /** Resolves when every watch that sees one of the keys has been given `revision`. */
  delivered(keys: string[], revision: number): Promise<void> {
    const behind = () =>
      [...this.#watches.values()].some(
        ({ key, end, next }) =>
          next <= revision && keys.some((k) => (end === undefined ? k === key : k >= key && k < end)),
      );
    if (!behind()) return Promise.resolve();
    return new Promise((done) => this.#waiters.push({ holds: () => !behind(), done }));
  }

  #wake(): void {
    const ready = this.#waiters.filter((w) => w.holds());
    this.#waiters = this.#waiters.filter((w) => !ready.includes(w));
    for (const { done } of ready) done();
  }

  end(error: Error): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const all = [...this.#watches.values()];
    this.#watches.clear();
    this.#stream?.cancel();
    for (const watch of all) watch.onEnd?.(error);
    this.#wake();
  }
}

function readEvent(event: Read<'Event'>): StoreEvent {
  const previous = event.prevKv ? { previous: readKeyValue(event.prevKv) } : {};
  const kv = readKeyValue(event.kv!);
  return { type: event.type === 0 ? 'put' : 'delete', kv, ...previous };
}
