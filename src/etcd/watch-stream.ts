import type { Clock, Timer } from '../machinery/clock.ts';
import { CompactedError, type StoreEvent } from '../machinery/store.ts';
import type { Header } from './kv.ts';
import { endOf, keyOf, type Read, type Write, wireKeyValue } from './messages.ts';
import type { MvccStore } from './mvcc.ts';

/** All watches. Source: rpc.proto, WatchProgressRequest. */
const everyWatch = -1;
/** How often who asked for it hears of the revision when nothing happens; etcd's own default. */
const progressMs = 10 * 60_000;
const filter = { noPut: 0, noDelete: 1 };
/** Of one response, for who asked for large ones in fragments: etcd's own. */
const mostBytes = 1.5 * 1024 * 1024;

/**
 * One stream of the Watch service: any number of watches. Events of a revision are never divided, and the revision of a
 * progress response has been told to all of them.
 */
export class WatchStream {
  readonly #store: MvccStore;
  readonly #header: Header;
  readonly #send: (response: Write<'WatchResponse'>) => void;
  readonly #clock: Clock;
  readonly #watches = new Map<number, { stop: () => void; progress: boolean; quiet: boolean }>();
  #nextId = 0;
  #timer: Timer | undefined;

  constructor(
    store: MvccStore,
    clock: Clock,
    header: Header,
    send: (response: Write<'WatchResponse'>) => void,
  ) {
    this.#store = store;
    this.#header = header;
    this.#send = send;
    this.#clock = clock;
    this.#arm();
  }

  #arm(): void {
    this.#timer = this.#clock.after(progressMs, () => {
      for (const [watchId, watch] of this.#watches) {
        if (watch.progress && watch.quiet) this.#send({ header: this.#now(), watchId });
        watch.quiet = true;
      }
      this.#arm();
    });
  }

  #now(): Write<'ResponseHeader'> {
    return this.#header(this.#store.revision);
  }

  receive(request: Read<'WatchRequest'>): void {
    if (request.createRequest) this.#create(request.createRequest);
    else if (request.cancelRequest) {
      const { watchId } = request.cancelRequest;
      const watch = this.#watches.get(watchId);
      if (!watch) return;
      this.#watches.delete(watchId);
      watch.stop();
      this.#send({ header: this.#now(), watchId, canceled: true });
    } else if (request.progressRequest && this.#watches.size)
      this.#send({ header: this.#now(), watchId: everyWatch });
  }

  #refuse(watchId: number, cancelReason: string): void {
    this.#send({ header: this.#now(), watchId, created: true, canceled: true, cancelReason });
  }

  #create(r: Read<'WatchCreateRequest'>): void {
    if (r.watchId && this.#watches.has(r.watchId)) {
      this.#refuse(everyWatch, 'mvcc: watch: duplicate watch ID provided on the WatchStream');
      return;
    }
    while (!r.watchId && this.#watches.has(this.#nextId)) this.#nextId++;
    const watchId = r.watchId || this.#nextId++;
    // An empty key with a range end is everything before that end; etcd puts a zero byte for it.
    const key = r.key.length ? keyOf(r.key) : '\0';
    const end = endOf(r.rangeEnd);
    if (end !== undefined && end <= key) {
      this.#refuse(everyWatch, 'mvcc: watcher range is empty');
      return;
    }
    const watch = { stop: () => {}, progress: r.progressNotify, quiet: true };
    this.#watches.set(watchId, watch);
    this.#send({ header: this.#now(), watchId, created: true });
    const stop = this.#store.watch({
      key,
      ...(end === undefined ? {} : { end }),
      startRevision: r.startRevision,
      onEvents: (events, revision) => {
        const wanted = events.filter(
          (e) => !r.filters.includes(e.type === 'put' ? filter.noPut : filter.noDelete),
        );
        if (!wanted.length) return;
        watch.quiet = false;
        const all = wanted.map((e) => wireEvent(e, r.prevKv));
        const parts = r.fragment ? fragments(all) : [all];
        for (const [i, part] of parts.entries())
          this.#send({
            ...{ header: this.#header(revision), watchId, events: part },
            fragment: i + 1 < parts.length,
          });
      },
      onEnd: (error) => {
        this.#watches.delete(watchId);
        const cut = error instanceof CompactedError;
        this.#send({
          header: this.#now(),
          watchId,
          canceled: true,
          // The first revision that such a watch may ask for; it says why by itself.
          ...(cut
            ? { compactRevision: this.#store.compactRevision + 1 }
            : { cancelReason: error?.message ?? 'the watch is over' }),
        });
      },
    });
    watch.stop = stop;
  }

  close(): void {
    this.#timer?.cancel();
    for (const { stop } of this.#watches.values()) stop();
    this.#watches.clear();
  }
}

/** Events in as many parts as it takes for each to be small enough. */
function fragments(events: Write<'Event'>[]): Write<'Event'>[][] {
  const parts: Write<'Event'>[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    const size = (event.kv?.value?.length ?? 0) + (event.prevKv?.value?.length ?? 0) + 300;
    if (bytes + size > mostBytes && parts.at(-1)!.length) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(event);
    bytes += size;
  }
  return parts;
}

const wireEvent = (event: StoreEvent, withPrevious: boolean): Write<'Event'> => ({
  type: event.type === 'put' ? 0 : 1,
  kv: wireKeyValue(event.kv),
  ...(withPrevious && event.previous ? { prevKv: wireKeyValue(event.previous) } : {}),
});
