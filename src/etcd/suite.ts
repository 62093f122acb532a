// What every store must do, as cases that run against any implementation: memory, embedded, a remote etcd. Each case has
// keys of its own and counts from the revision that it finds, so that one store can serve them all.

import {
  CompactedError,
  type Compare,
  FutureRevisionError,
  type KeyValue,
  type Op,
  prefixEnd,
  type RangeResult,
  type Store,
  StoreClosedError,
  type StoreEvent,
} from '../machinery/store.ts';

export interface StoreCase {
  readonly name: string;
  /** `prefix` ends in a slash, and no key begins with it yet. */
  run(store: Store, prefix: string): Promise<void>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the store does not keep its contract: ${what}`);
}

export function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `${what} is ${a}, expected ${b}`);
}

async function refused(call: Promise<unknown>, type: new (...args: any[]) => Error, what: string) {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  check(error instanceof type, `${what} should be refused with ${type.name}, and gave ${String(error)}`);
}

export const put = (key: string, value: string): Op => ({ op: 'put', key, value: bytes(value) });
export const absent = (key: string): Compare => ({ key, target: 'mod', equals: 0 });

/** `key=value@createRevision/modRevision#version`, revisions counted from `base`. */
const shown = (kv: KeyValue, base: number): string =>
  `${kv.key.split('/').at(-1)}=${decoder.decode(kv.value)}@${kv.createRevision - base}/${kv.modRevision - base}#${kv.version}`;
const names = (result: RangeResult): string[] => result.kvs.map((kv) => kv.key.split('/').at(-1)!);
const shownEvent = (e: StoreEvent, base: number): string =>
  `${e.type} ${e.kv.key.split('/').at(-1)}=${decoder.decode(e.kv.value)}@${e.kv.modRevision - base}` +
  (e.previous ? ` was ${decoder.decode(e.previous.value)}@${e.previous.modRevision - base}` : '');

/** A watch whose events can be waited for. */
export function watching(store: Store, key: string, end?: string, startRevision?: number) {
  const events: StoreEvent[] = [];
  const revisions: number[] = [];
  let ended: Error | undefined;
  let wake = () => {};
  const stop = store.watch({
    key,
    ...(end === undefined ? {} : { end }),
    ...(startRevision === undefined ? {} : { startRevision }),
    onEvents: (more, revision) => {
      events.push(...more);
      revisions.push(revision);
      wake();
    },
    onEnd: (error) => {
      ended = error ?? new Error('ended');
      wake();
    },
  });
  return {
    events,
    revisions,
    stop,
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) {
        if (ended) throw ended;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    ended: () => ended,
  };
}

async function putAll(store: Store, ...puts: [string, string][]): Promise<void> {
  for (const [key, value] of puts) await store.txn([], [put(key, value)]);
}

export const storeCases: StoreCase[] = [
  {
    name: 'one revision for each writing transaction; create, mod and version of keys',
    async run(store, p) {
      const base = store.revision;
      const first = await store.txn([], [put(p + 'a', '1')]);
      same([first.succeeded, first.revision - base, store.revision - base], [true, 1, 1], 'the first put');
      await store.txn([], [put(p + 'a', '2'), put(p + 'b', '1')]);
      const read = await store.txn([], [{ op: 'range', key: p + 'a' }]);
      same(read.revision - base, 2, 'the revision of a transaction that writes nothing');
      const { kvs, revision } = await store.range({ key: p, end: prefixEnd(p) });
      same(revision - base, 2, 'the revision of the range');
      same(
        kvs.map((kv) => shown(kv, base)),
        ['a=2@1/2#2', 'b=1@2/2#1'],
        'what there is',
      );
      await store.txn([], [{ op: 'delete', key: p + 'a' }]);
      await store.txn([], [put(p + 'a', '3')]);
      const again = await store.range({ key: p + 'a' });
      same(shown(again.kvs[0]!, base), 'a=3@4/4#1', 'a key that is made again');
      const nothing = await store.txn([], [{ op: 'delete', key: p + 'none' }]);
      same(nothing.revision - base, 4, 'the revision after a deletion of nothing');
    },
  },
  {
    name: 'ranges: one key, prefix, limit, more, count, order',
    async run(store, p) {
      await putAll(store, [p + 'b', 'b'], [p + 'a', 'a'], [p + 'c', 'c'], [p + 'a/b', 'ab'], [p + 'd', 'd']);
      const all = await store.range({ key: p, end: prefixEnd(p) });
      same([names(all), all.count, all.more], [['a', 'b', 'b', 'c', 'd'], 5, false], 'the whole prefix');
      const two = await store.range({ key: p, end: prefixEnd(p), limit: 2 });
      same([two.kvs.length, two.count, two.more], [2, 5, true], 'with a limit of 2');
      const rest = await store.range({ key: two.kvs[1]!.key + '\0', end: prefixEnd(p), limit: 3 });
      same([names(rest), rest.count, rest.more], [['b', 'c', 'd'], 3, false], 'the page after it');
      const counted = await store.range({ key: p, end: prefixEnd(p), countOnly: true });
      same([counted.kvs.length, counted.count], [0, 5], 'counting only');
      const part = await store.range({ key: p + 'b', end: p + 'd' });
      same(names(part), ['b', 'c'], 'the range b to d, which leaves d out');
      const none = await store.range({ key: p + 'x' });
      same([none.kvs.length, none.count, none.more], [0, 0, false], 'a key that is not there');
      const empty = await store.range({ key: p + 'd', end: p + 'a' });
      same([empty.kvs.length, empty.count], [0, 0], 'a range that ends before it begins');
    },
  },
  {
    name: 'ranges at a revision',
    async run(store, p) {
      const base = store.revision;
      await putAll(store, [p + 'a', '1'], [p + 'b', '1'], [p + 'a', '2']);
      await store.txn([], [{ op: 'delete', key: p + 'b' }]);
      const at = async (revision: number) =>
        (await store.range({ key: p, end: prefixEnd(p), revision: base + revision })).kvs.map((kv) =>
          shown(kv, base),
        );
      same(await at(1), ['a=1@1/1#1'], 'revision 1');
      same(await at(2), ['a=1@1/1#1', 'b=1@2/2#1'], 'revision 2');
      same(await at(3), ['a=2@1/3#2', 'b=1@2/2#1'], 'revision 3');
      same(await at(4), ['a=2@1/3#2'], 'revision 4');
      await refused(at(5), FutureRevisionError, 'a range at a revision to come');
    },
  },
  {
    name: 'transactions: compares, both branches, several operations',
    async run(store, p) {
      const base = store.revision;
      const created = await store.txn([absent(p + 'a')], [put(p + 'a', '1')]);
      check(created.succeeded, 'a create of what is absent succeeds');
      const twice = await store.txn([absent(p + 'a')], [put(p + 'a', '2')], [{ op: 'range', key: p + 'a' }]);
      same([twice.succeeded, twice.revision - base], [false, 1], 'a create of what is there');
      same(shown((twice.responses[0] as RangeResult).kvs[0]!, base), 'a=1@1/1#1', 'what it gives instead');
      for (const [compare, holds] of [
        [{ target: 'mod', equals: base + 1 }, true],
        [{ target: 'mod', equals: base }, false],
        [{ target: 'create', equals: base + 1 }, true],
        [{ target: 'create', equals: 0 }, false],
        [{ target: 'version', equals: 1 }, true],
        [{ target: 'version', equals: 2 }, false],
      ] as const) {
        const { succeeded } = await store.txn([{ key: p + 'a', ...compare }], []);
        same(succeeded, holds, `the compare ${JSON.stringify(compare)}`);
      }
      const both = await store.txn([absent(p + 'x'), absent(p + 'a')], [put(p + 'x', '1')]);
      same(both.succeeded, false, 'two compares of which one fails');
      const failing = await store.txn([absent(p + 'a')], [], [put(p + 'b', 'else')]);
      same([failing.succeeded, failing.revision - base], [false, 2], 'a failure branch that writes');
      const many = await store.txn(
        [],
        [
          put(p + 'c', '1'),
          { op: 'delete', key: p + 'a' },
          { op: 'range', key: p, end: prefixEnd(p) },
          { op: 'delete', key: p + 'none' },
        ],
      );
      const [nothing, deleted, seen, none] = many.responses;
      same(nothing, undefined, 'the response of a put');
      const { deleted: n, previous } = deleted as { deleted: number; previous: KeyValue[] };
      same([n, previous.map((kv) => shown(kv, base))], [1, ['a=1@1/1#1']], 'the response of a delete');
      same(
        names(seen as RangeResult),
        ['b', 'c'],
        'a range after a put and a delete in the same transaction',
      );
      same((none as { deleted: number }).deleted, 0, 'a deletion of nothing');
      const swept = await store.txn([], [{ op: 'delete', key: p, end: prefixEnd(p) }]);
      same((swept.responses[0] as { deleted: number }).deleted, 2, 'a deletion of a prefix');
    },
  },
  {
    name: 'concurrent creates: one wins, and who lost sees it',
    async run(store, p) {
      const results = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const result = await store.txn(
            [absent(p + 'k')],
            [put(p + 'k', String(i))],
            [{ op: 'range', key: p + 'k' }],
          );
          check(store.revision >= result.revision, 'an answered transaction is not beyond the revision');
          const now = await store.range({ key: p + 'k' });
          return { i, result, now };
        }),
      );
      const winners = results.filter(({ result }) => result.succeeded);
      same(winners.length, 1, 'how many won');
      for (const { result, now } of results) {
        same(decoder.decode(now.kvs[0]!.value), String(winners[0]!.i), 'what everyone then reads');
        if (result.succeeded) continue;
        const { kvs } = result.responses[0] as RangeResult;
        same(decoder.decode(kvs[0]!.value), String(winners[0]!.i), 'what a loser sees');
      }
    },
  },
  {
    name: 'a watch from now: every event once, in order, with what was before, transactions whole',
    async run(store, p) {
      const base = store.revision;
      await putAll(store, [p + 'a', '1']);
      const watch = watching(store, p, prefixEnd(p));
      const one = watching(store, p + 'b');
      await store.txn([], [put(p + 'a', '2'), put(p + 'b', '1')]);
      await store.txn([], [put(p.slice(0, -1) + '-elsewhere', 'x')]);
      await store.txn([], [{ op: 'delete', key: p, end: prefixEnd(p) }]);
      await watch.until(() => watch.events.length >= 4);
      await one.until(() => one.events.length >= 2);
      same(
        watch.events.map((e) => shownEvent(e, base)),
        ['put a=2@2 was 1@1', 'put b=1@2', 'delete a=@4 was 2@2', 'delete b=@4 was 1@2'],
        'the events',
      );
      same(
        one.events.map((e) => shownEvent(e, base)),
        ['put b=1@2', 'delete b=@4 was 1@2'],
        'the events of one key',
      );
      watch.stop();
      one.stop();
      await store.txn([], [put(p + 'a', '3')]);
      same(watch.events.length, 4, 'how many events came, after the end of the watch too');
    },
  },
  {
    name: 'a watch sees a change before its writer has the answer',
    async run(store, p) {
      const watch = watching(store, p, prefixEnd(p));
      for (let i = 0; i < 20; i++) {
        const { revision } = await store.txn([], [put(p + 'k', String(i))]);
        same(watch.events.at(-1)?.kv.modRevision, revision, 'the newest event when the put is answered');
      }
      watch.stop();
    },
  },
  {
    name: 'a watch from a past revision goes on into the present',
    async run(store, p) {
      const base = store.revision;
      await putAll(store, [p + 'a', '1'], [p + 'a', '2'], [p + 'b', '1']);
      const watch = watching(store, p, prefixEnd(p), base + 2);
      const future = watching(store, p, prefixEnd(p), base + 5);
      await store.txn([], [put(p + 'c', '1')]);
      await store.txn([], [put(p + 'd', '1')]);
      await watch.until(() => watch.events.length >= 4);
      await future.until(() => future.events.length >= 1);
      same(
        watch.events.map((e) => shownEvent(e, base)),
        ['put a=2@2 was 1@1', 'put b=1@3', 'put c=1@4', 'put d=1@5'],
        'the events from revision 2 on',
      );
      same(
        future.events.map((e) => shownEvent(e, base)),
        ['put d=1@5'],
        'the events from a revision that was still to come',
      );
      watch.stop();
      future.stop();
    },
  },
  {
    name: 'a watcher may begin and end watches while it is given events',
    async run(store, p) {
      const seen: string[] = [];
      const stops: (() => void)[] = [];
      const note =
        (who: string) =>
        (events: StoreEvent[]): void =>
          void seen.push(...events.map((e) => `${who} ${decoder.decode(e.kv.value)}`));
      stops.push(
        store.watch({
          key: p + 'k',
          onEvents: (events) => {
            note('first')(events);
            if (stops.length > 1) return;
            stops.push(store.watch({ key: p + 'k', onEvents: note('second') }));
          },
        }),
      );
      await putAll(store, [p + 'k', '1'], [p + 'k', '2']);
      while (seen.length < 3) await store.range({ key: p + 'k' });
      same(seen.toSorted(), ['first 1', 'first 2', 'second 2'], 'what both saw');
      for (const stop of stops) stop();
    },
  },
  {
    name: 'compaction forgets, and says so',
    async run(store, p) {
      const base = store.revision;
      await putAll(store, [p + 'a', '1'], [p + 'a', '2'], [p + 'b', '1']);
      await store.txn([], [{ op: 'delete', key: p + 'b' }]);
      await putAll(store, [p + 'a', '3']);
      await store.compact(base + 4);
      same(store.compactRevision, base + 4, 'the compacted revision');
      const at4 = await store.range({ key: p, end: prefixEnd(p), revision: base + 4 });
      same(
        at4.kvs.map((kv) => shown(kv, base)),
        ['a=2@1/2#2'],
        'what was at the compacted revision',
      );
      await refused(
        store.range({ key: p, end: prefixEnd(p), revision: base + 3 }),
        CompactedError,
        'a range before it',
      );
      await refused(store.compact(base + 4), CompactedError, 'compacting again');
      await refused(store.compact(base + 100), FutureRevisionError, 'compacting what is to come');
      const late = watching(store, p, prefixEnd(p), base + 2);
      await late.until(() => late.ended() !== undefined);
      check(late.ended() instanceof CompactedError, 'a watch of compacted history ends with CompactedError');
      const watch = watching(store, p, prefixEnd(p), base + 5);
      await watch.until(() => watch.events.length > 0);
      same(
        watch.events.map((e) => shownEvent(e, base)),
        ['put a=3@5 was 2@2'],
        'the events after it',
      );
      watch.stop();
      const again = await store.txn([absent(p + 'b')], [put(p + 'b', 'new')]);
      check(again.succeeded, 'a deleted and compacted key can be made again');
    },
  },
  {
    name: 'keys and values of any content',
    async run(store, p) {
      const value = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) & 255);
      await store.txn([], [{ op: 'put', key: p + 'binary', value }]);
      await store.txn([], [{ op: 'put', key: p + 'empty', value: bytes('') }]);
      await store.txn([], [{ op: 'put', key: p + 'x'.repeat(3000), value: bytes('long') }]);
      const { kvs } = await store.range({ key: p, end: prefixEnd(p) });
      same(
        kvs.map((kv) => kv.value.length),
        [100_000, 0, 4],
        'the lengths of the values',
      );
      check(
        kvs[0]!.value.every((b, i) => b === value[i]),
        'a binary value comes back as it was',
      );
    },
  },
  {
    name: 'closed: watches end, nothing more is accepted',
    async run(store, p) {
      const watch = watching(store, p, prefixEnd(p));
      const last = store.txn([], [put(p + 'a', '1')]);
      await Promise.all([last, store.close()]);
      check(watch.ended() instanceof StoreClosedError, 'a watch ends with StoreClosedError');
      await refused(store.txn([], [put(p + 'a', '2')]), StoreClosedError, 'a put');
      await refused(store.range({ key: p }), StoreClosedError, 'a range');
      await store.close();
    },
  },
];
