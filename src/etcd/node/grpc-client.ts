import {
  CompactedError,
  type Compare,
  type Op,
  prefixEnd,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreClosedError,
  type StoreEvent,
  type TxnResult,
  type WatchOptions,
} from '../../machinery/store.ts';
import { EtcdConnection, type RemoteOptions } from './etcd-connection.ts';
import { CallFailed } from './etcd-member.ts';
import { RemoteWatches } from './remote-watches.ts';
import { RemoteWrites, rangeResult, wireRange } from './remote-writes.ts';

export type { RemoteOptions } from './etcd-connection.ts';

/** What Kubernetes keeps is under this. */
const prefix = '/registry/';
/** Kubernetes' API servers write here how far they compact. */
const compactKey = 'compact_rev_key';
/** How often it is looked whether the watch still tells what there is, when nobody else asks. */
const pulseMs = 1000;
const statsEveryMs = 10_000;
/** When a first attempt to get a lease is late; later ones are given more time. */
const lateGrantMs = 1000;

/**
 * An etcd cluster as a store. What the contract of stores asks beyond etcd's own:
 *
 * - A watch of all keys runs all the time. `revision` is how far it has come, and reads are made at it unless told
 *   otherwise, so that nothing is read that a watch has not been given. What others write shows when its event arrives;
 *   `catchUp` waits for it.
 * - A transaction resolves when every watch of this store has been given its revision.
 * - `compactRevision` is what this client has compacted, has seen others compact, or has run into.
 */
class RemoteStore implements Store {
  readonly #connection: EtcdConnection;
  readonly #watches: RemoteWatches;
  readonly #writes: RemoteWrites;
  readonly #running = new Set<Promise<unknown>>();
  #stats = { keys: 0, bytes: 0 };
  readonly #timers: NodeJS.Timeout[] = [];
  #closed: StoreClosedError | undefined;
  compactRevision = 0;
  readonly givesPastLater = true;

  constructor(connection: EtcdConnection, revision: number) {
    this.#connection = connection;
    this.#watches = new RemoteWatches(connection, revision);
    this.#writes = new RemoteWrites(connection, this.#watches);
    this.#watches.onEvents = (events) => this.#note(events);
    this.#watches.onLoss = () => this.#writes.blind();
  }

  async start(): Promise<void> {
    await Promise.all([this.#watches.start(), this.#writes.start(), this.#readStats()]);
    const quietly = (work: () => Promise<void>) => () => void work().catch(() => {}); // etcd is away
    this.#timers.push(
      setInterval(
        quietly(() => this.#pulse()),
        pulseMs,
      ).unref(),
      setInterval(
        quietly(() => this.#readStats()),
        statsEveryMs,
      ).unref(),
    );
  }

  #note(events: StoreEvent[]): void {
    this.#writes.note(events);
    for (const { type, kv } of events) {
      if (kv.key !== compactKey || type !== 'put') continue;
      const revision = Number(new TextDecoder().decode(kv.value));
      if (revision < this.revision) this.compactRevision = Math.max(this.compactRevision, revision);
    }
  }

  async #pulse(): Promise<void> {
    const { reached } = this.#watches;
    const revision = await this.#connection.newest();
    this.#watches.compare(revision, reached);
    await this.#watches.delivered(revision, [], this.#connection.patienceMs);
  }

  get revision(): number {
    return this.#watches.reached;
  }

  /** Lets `close` wait for what is under way. */
  #run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closed);
    const running = call();
    this.#running.add(running);
    const gone = () => void this.#running.delete(running);
    running.then(gone, gone);
    return running;
  }

  catchUp(): Promise<void> {
    return this.#run(async () => {
      const revision = await this.#connection.newest();
      await this.#watches.delivered(revision, [], this.#connection.patienceMs);
    });
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#run(async () => {
      const revision = request.revision || this.revision;
      const read = (at: number) =>
        this.#connection.call('Range', { ...wireRange(request), revision: at }, at);
      try {
        return rangeResult(await read(revision), revision);
      } catch (error) {
        // Others have compacted what our watch has not been given yet: read what is newest.
        if (!(error instanceof CompactedError) || request.revision) throw error;
        const response = await read(0);
        return rangeResult(response, response.header!.revision);
      }
    });
  }

  txn(compare: Compare[], success: Op[], failure: Op[] = []): Promise<TxnResult> {
    return this.#run(async () => {
      const result = await this.#writes.run(compare, success, failure);
      const { succeeded, revision, responses } = result;
      const keys = (succeeded ? success : failure).flatMap((op, i) => {
        const response = responses[i];
        return response && 'previous' in response ? response.previous.map((kv) => kv.key) : [op.key];
      });
      // It is done, even if we do not come to see it.
      await this.#watches.delivered(revision, keys, this.#connection.patienceMs).catch(() => {});
      return result;
    });
  }

  watch(options: WatchOptions): () => void {
    if (this.#closed) throw this.#closed;
    return this.#watches.add(options, options.startRevision || undefined);
  }

  compact(revision: number): Promise<void> {
    return this.#run(async () => {
      let again = false;
      while (true) {
        try {
          await this.#connection.attempt('Compact', { revision }, revision);
          break;
        } catch (error) {
          if (again && error instanceof CompactedError) break; // by the first attempt
          if (!(error instanceof CallFailed)) throw error;
          again = error.executed === 'maybe';
          await this.#connection.newest();
        }
      }
      this.compactRevision = Math.max(this.compactRevision, revision);
    });
  }

  grantLease(ttlSeconds: number): Promise<number> {
    return this.#run(async () => {
      // One that nobody uses goes by itself: it may be asked for again under another number.
      for (let tries = 0; ; tries++) {
        try {
          const ID = 1 + Math.floor(Math.random() * 2 ** 52);
          const lateMs = lateGrantMs * 2 ** tries;
          return (await this.#connection.attempt('LeaseGrant', { ID, TTL: ttlSeconds }, 0, lateMs)).ID;
        } catch (error) {
          if (!(error instanceof CallFailed) || tries > 2) throw error;
          await this.#connection.newest();
        }
      }
    });
  }

  /** As it was up to ten seconds ago. */
  stats(): { keys: number; bytes: number } {
    return this.#stats;
  }

  async #readStats(): Promise<void> {
    const all = { ...wireRange({ key: prefix, end: prefixEnd(prefix) }), countOnly: true };
    const [{ count }, status] = await Promise.all([
      this.#connection.call('Range', all),
      this.#connection.call('Status', {}),
    ]);
    this.#stats = { keys: count, bytes: status.dbSize };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = new StoreClosedError();
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.allSettled(this.#running);
    this.#watches.end(this.#closed);
    this.#connection.close();
  }
}

/** Connects to an etcd v3 cluster. Rejects when no endpoint answers. */
export async function remoteStore(options: RemoteOptions): Promise<Store> {
  const connection = new EtcdConnection(options);
  try {
    await connection.connect();
    const store = new RemoteStore(connection, await connection.newest());
    await store.start();
    return store;
  } catch (error) {
    connection.close();
    throw error;
  }
}
