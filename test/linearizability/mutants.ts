// Stores that are broken on purpose, each in one way: the checker must catch every one of them.

import type { MvccStore } from '../../src/etcd/mvcc.ts';
import type { Op, Store, StoreEvent, WatchOptions } from '../../src/machinery/store.ts';

export type Mutant = (store: MvccStore, random: () => number) => Store;

/** A store that is another but for some methods. */
function but(store: MvccStore, changed: Partial<Store>): Store {
  return new Proxy(store as Store, {
    get(target, name) {
      if (name in changed) return changed[name as keyof Store];
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const watching =
  (deliver: (events: StoreEvent[], revision: number, give: WatchOptions['onEvents']) => void): Mutant =>
  (store) =>
    but(store, {
      watch: (options) =>
        store.watch({
          ...options,
          onEvents: (events, revision) => deliver(events, revision, options.onEvents),
        }),
    });

const withOps =
  (change: (ops: Op[], random: () => number) => Op[]): Mutant =>
  (store, random) =>
    but(store, {
      txn: (compare, success, failure) => store.txn(compare, change(success, random), failure),
    });

let turn = 0;
const nowAndThen = (): boolean => ++turn % 7 === 0;

export const mutants: Record<string, Mutant> = {
  'a stale read, given as new': (store) =>
    but(store, {
      range: async (request) => {
        const found = await store.range(request);
        if (request.revision || !nowAndThen() || found.revision < 4) return found;
        const old = await store.range({ ...request, revision: found.revision - 2 }).catch(() => found);
        return { ...old, revision: found.revision };
      },
    }),
  'a stale read, with its own old revision': (store) =>
    but(store, {
      range: async (request) => {
        const { revision } = store;
        if (request.revision || !nowAndThen() || revision < 4) return store.range(request);
        const old = await store.range({ ...request, revision: revision - 2 }).catch(() => undefined);
        return old ? { ...old, revision: revision - 2 } : store.range(request);
      },
    }),
  'a read of what is not durable': (store) =>
    but(store, {
      txn: async (compare, success, failure) => {
        // The answer of a read in a transaction, before what it saw is flushed.
        const result = await store.txn(compare, success, failure);
        return nowAndThen() ? { ...result, revision: result.revision + 1 } : result;
      },
    }),
  'a put that is acknowledged and not made': withOps((ops) =>
    nowAndThen() && ops.length > 1 ? ops.slice(0, -1).concat({ op: 'range', key: 'x' }) : ops,
  ),
  'a compare that is not looked at': (store) =>
    but(store, {
      txn: (compare, success, failure) => store.txn(nowAndThen() ? [] : compare, success, failure),
    }),
  'two puts that become one revision each': (store) =>
    but(store, {
      async txn(compare, success, failure) {
        if (compare.length || success.length < 2 || !success.every((op) => op.op === 'put'))
          return store.txn(compare, success, failure);
        await store.txn([], success.slice(0, 1));
        const rest = await store.txn([], success.slice(1));
        return { ...rest, responses: [undefined, ...rest.responses] };
      },
    }),
  'a lease that is forgotten': withOps((ops) =>
    ops.map((op) => (op.op === 'put' && op.lease ? { op: 'put', key: op.key, value: op.value } : op)),
  ),
  'an event that is missing': watching((events, revision, give) => {
    const some = nowAndThen() ? events.slice(1) : events;
    if (some.length) give(some, revision);
  }),
  'an event that is given twice': watching((events, revision, give) => {
    give(events, revision);
    if (nowAndThen()) give(events, revision);
  }),
  'events in another order': watching((events, revision, give) => {
    give(events.length > 1 ? events.toReversed() : events, revision);
  }),
  'a revision in two parts': watching((events, revision, give) => {
    const last = events.at(-1)!.kv.modRevision;
    const cut =
      events.filter((e) => e.kv.modRevision === last).length > 1 ? events.length - 1 : events.length;
    give(events.slice(0, cut), revision);
    if (cut < events.length) give(events.slice(cut), revision);
  }),
  'an event after its writer has the answer': watching((events, revision, give) => {
    if (nowAndThen()) setTimeout(() => give(events, revision), 2);
    else give(events, revision);
  }),
  'what was before, of another time': watching((events, revision, give) =>
    give(
      events.map((e) => ({ type: e.type, kv: e.kv, previous: e.kv })),
      revision,
    ),
  ),
  'a watch of the past that begins one late': (store) =>
    but(store, {
      watch: (options) =>
        store.watch(
          options.startRevision && options.key !== '/registry/'
            ? { ...options, startRevision: options.startRevision + 1 }
            : options,
        ),
    }),
  'a watch of what is compacted that just goes on': (store) =>
    but(store, {
      watch: (options) =>
        store.watch({
          ...options,
          startRevision: Math.max(options.startRevision ?? 0, store.compactRevision + 1),
        }),
    }),
  'a watch that ends and says that it is compacted': (store) =>
    but(store, {
      watch: (options) => {
        if (options.startRevision && options.key !== '/registry/' && nowAndThen())
          return store.watch({ ...options, startRevision: 1 });
        return store.watch(options);
      },
    }),
  'a compaction that takes a key with it': (store) => {
    let compacted = false;
    return but(store, {
      compact: (revision) => {
        compacted = true;
        return store.compact(revision);
      },
      range: async (request) => {
        const found = await store.range(request);
        if (!compacted || found.kvs.length < 2) return found;
        return { ...found, kvs: found.kvs.slice(1), count: found.count - 1 };
      },
    });
  },
  'a read of what is compacted that is answered with something': (store) =>
    but(store, {
      range: (request) =>
        store.range(
          request.revision && request.revision < store.compactRevision
            ? { ...request, revision: store.compactRevision }
            : request,
        ),
    }),
  'a count that is not that of the range': (store) =>
    but(store, {
      range: async (request) => {
        const found = await store.range(request);
        return request.limit ? { ...found, count: found.kvs.length } : found;
      },
    }),
};
