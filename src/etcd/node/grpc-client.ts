import {
  CompactedError,
  type Compare,
  type Op,
  prefixEnd,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreClosedError,
  type TxnResult,
  type WatchOptions,
} from '../../machinery/store.ts';
import { bytesOf, type Read, type Write } from '../messages.ts';
import { EtcdConnection, type RemoteOptions } from './etcd-connection.ts';
import { RemoteWatches, rangeEnd, readKeyValue } from './remote-watches.ts';

export type { RemoteOptions } from './etcd-connection.ts';

/** What Kubernetes keeps is under this: the store's revision is how far a watch of it has come. */
const prefix = '/registry/';

/**
 * An etcd cluster as a store. What the contract of stores asks beyond etcd's own:
 *
 * - A watch of `/registry/` runs all the time. `revision` is how far it has come, and reads are made at it unless told
 *   otherwise, so that nothing is read that a watch has not been given. Changes of other clients show when their events
 *   arrive; changes outside `/registry/` do not raise `revision`.
 * - A transaction resolves when every watch of this store that sees one of its keys, that one among them, has been given
 *   its revision. A transaction that changes nothing resolves when they have been given all that it has read.
 * - `compactRevision` is what this client has compacted, or has run into.
 */
class RemoteStore implements Store {
  readonly #connection: EtcdConnection;
  readonly #watches: RemoteWatches;
  readonly #reached: () => number;
  readonly #running = new Set<Promise<unknown>>();
  #stats = { keys: 0, bytes: 0 };
  readonly #refreshing: NodeJS.Timeout;
  #closed: StoreClosedError | undefined;
  compactRevision = 0;
  readonly givesPastLater = true;

  constructor(connection: EtcdConnection, revision: number, stats: { keys: number; bytes: number }) {
    this.#connection = connection;
    this.#stats = stats;
    this.#refreshing = setInterval(() => this.#refresh(), 10_000).unref();
    this.#watches = new RemoteWatches(connection);
    this.#reached = this.#followRegistry(revision + 1);
  }

  #followRegistry(from: number): () => number {
    let inner = { reached: () => from - 1 };
    const follow = (next: number) => {
      inner = this.#watches.add(
        {
          key: prefix,
          end: prefixEnd(prefix),
          onEvents: () => {},
          onEnd: (error) => {
            // It was cut off for so long that what it missed is compacted: go on from what is left.
            if (!this.#closed) void this.#restart(follow, error);
          },
        },
        next,
      );
    };
    follow(from);
    return () => inner.reached();
  }

  async #restart(follow: (next: number) => void, error: Error | undefined): Promise<void> {
    while (!this.#closed) {
      try {
        const { header } = await this.#connection.call('Range', { key: bytesOf(prefix), countOnly: true });
        if (error instanceof CompactedError) this.compactRevision = this.revision + 1;
        return follow(header!.revision + 1);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 1000)); // until etcd answers again
      }
    }
  }

  get revision(): number {
    return this.#reached();
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

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#run(async () => {
      const revision = request.revision || this.revision;
      const read = (at: number) =>
        this.#connection.call('Range', { ...rangeRequest(request), revision: at }, at);
      let newest = request.revision !== undefined && request.revision > 0;
      const response = await read(revision).catch((error) => {
        // Somebody else has compacted, and nothing under /registry/ has changed since: read what is newest.
        if (!(error instanceof CompactedError) || request.revision) throw error;
        newest = true;
        return read(0);
      });
      // Who reads the newest state goes on from the revision that it was read at, and not from what came meanwhile.
      if (!newest) return rangeResult(response, revision);
      return rangeResult(response, Math.min(response.header!.revision, Math.max(revision, this.revision)));
    });
  }

  txn(compare: Compare[], success: Op[], failure: Op[] = []): Promise<TxnResult> {
    return this.#run(async () => {
      const response = await this.#connection.call('Txn', {
        compare: compare.map(wireCompare),
        success: success.map(wireOp),
        failure: failure.map(wireOp),
      });
      const { revision } = response.header!;
      const ops = response.succeeded ? success : failure;
      const changed: string[] = [];
      const seen: { key: string; modRevision: number }[] = [];
      const responses = response.responses.map((one, i): TxnResult['responses'][number] => {
        if (one.responseRange) {
          const result = rangeResult(one.responseRange, revision);
          seen.push(...result.kvs);
          return result;
        }
        if (one.responseDeleteRange) {
          const previous = one.responseDeleteRange.prevKvs.map(readKeyValue);
          changed.push(...previous.map((kv) => kv.key));
          return { deleted: one.responseDeleteRange.deleted, previous };
        }
        changed.push(ops[i]!.key);
        return undefined;
      });
      if (changed.length) await this.#watches.delivered(changed, revision);
      else await Promise.all(seen.map((kv) => this.#watches.delivered([kv.key], kv.modRevision)));
      return { succeeded: response.succeeded, revision, responses };
    });
  }

  watch(options: WatchOptions): () => void {
    if (this.#closed) throw this.#closed;
    const from = options.startRevision || Math.max(this.revision, this.#watches.newest) + 1;
    return this.#watches.add(options, from).stop;
  }

  compact(revision: number): Promise<void> {
    return this.#run(async () => {
      await this.#connection.call('Compact', { revision }, revision);
      this.compactRevision = Math.max(this.compactRevision, revision);
    });
  }

  /** As it was up to ten seconds ago. */
  stats(): { keys: number; bytes: number } {
    return this.#stats;
  }

  #refresh(): void {
    readStats(this.#connection).then(
      ({ stats }) => (this.#stats = stats),
      () => {}, // etcd is away: the last figures stay
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = new StoreClosedError();
    clearInterval(this.#refreshing);
    await Promise.allSettled(this.#running);
    this.#watches.end(this.#closed);
    this.#connection.close();
  }
}

const range = (key: string, end: string | undefined) => ({
  key: bytesOf(key),
  ...(end === undefined ? {} : { rangeEnd: rangeEnd(end)! }),
});

const rangeRequest = ({ key, end, limit = 0, countOnly = false }: RangeRequest): Write<'RangeRequest'> => ({
  ...range(key, end),
  limit,
  countOnly,
});

const rangeResult = (response: Read<'RangeResponse'>, revision: number): RangeResult => ({
  kvs: response.kvs.map(readKeyValue),
  count: response.count,
  more: response.more,
  revision,
});

function wireOp(op: Op): Write<'RequestOp'> {
  if (op.op === 'range') return { requestRange: rangeRequest(op) };
  if (op.op === 'delete') return { requestDeleteRange: { ...range(op.key, op.end), prevKv: true } };
  return { requestPut: { key: bytesOf(op.key), value: op.value, lease: op.lease ?? 0 } };
}

function wireCompare({ key, target, equals }: Compare): Write<'Compare'> {
  const common = { key: bytesOf(key), result: 0 };
  if (target === 'version') return { ...common, target: 0, version: equals };
  if (target === 'create') return { ...common, target: 1, createRevision: equals };
  return { ...common, target: 2, modRevision: equals };
}

async function readStats(connection: EtcdConnection) {
  const all = { ...range(prefix, prefixEnd(prefix)), countOnly: true };
  const [{ count, header }, status] = await Promise.all([
    connection.call('Range', all),
    connection.call('Status', {}),
  ]);
  return { revision: header!.revision, stats: { keys: count, bytes: status.dbSize } };
}

/** Connects to an etcd v3 cluster. Rejects when no endpoint answers. */
export async function remoteStore(options: RemoteOptions): Promise<Store> {
  const connection = new EtcdConnection(options);
  let failure: unknown;
  for (let i = 0; i < options.endpoints.length; i++) {
    try {
      const { revision, stats } = await readStats(connection);
      return new RemoteStore(connection, revision, stats);
    } catch (error) {
      failure = error;
    }
  }
  connection.close();
  throw failure;
}
