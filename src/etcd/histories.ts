// Random histories of a store against a model that keeps every state there ever was: the property that all stores share.

import fc from 'fast-check';
import { CompactedError, prefixEnd, type Store } from '../machinery/store.ts';
import { bytes, same, watching } from './suite.ts';

type Step =
  | {
      kind: 'txn';
      compare?: { key: number; version: number };
      ops: { key: number; value?: number; end?: number }[];
    }
  | { kind: 'read'; back: number; from: number; to: number; limit: number }
  | { kind: 'watch'; back: number }
  | { kind: 'compact'; back: number };

const key = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        kind: fc.constant('txn' as const),
        compare: fc.record({ key, version: fc.nat({ max: 2 }) }),
        ops: fc.array(fc.record({ key, value: fc.nat(), end: key }, { requiredKeys: ['key'] }), {
          maxLength: 3,
        }),
      },
      { requiredKeys: ['kind', 'ops'] },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      back: fc.nat({ max: 8 }),
      from: key,
      to: key,
      limit: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('watch' as const), back: fc.nat({ max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), back: fc.nat({ max: 5 }) }) },
);

/** A key at a revision, as the model writes it: value, create revision, mod revision, version. */
type State = Map<string, [value: string, create: number, mod: number, version: number]>;

async function run(store: Store, prefix: string, steps: Step[]): Promise<void> {
  const base = store.revision;
  const states: State[] = [new Map()];
  const log: string[][] = [[]];
  let compacted = 0;
  const watches: { from: number; watch: ReturnType<typeof watching> }[] = [];
  const name = (n: number): string => prefix + n;

  for (const one of steps) {
    const now = states.length - 1;
    const state = states.at(-1)!;
    if (one.kind === 'txn') {
      const holds = !one.compare || (state.get(name(one.compare.key))?.[3] ?? 0) === one.compare.version;
      const next: State = new Map(state);
      const events: string[] = [];
      // etcd refuses a transaction that touches a key twice.
      const touched = new Set<string>();
      const ops = one.ops.flatMap((op): Parameters<Store['txn']>[1] => {
        const mine = name(op.key);
        if (op.value !== undefined) {
          if (touched.has(mine)) return [];
          touched.add(mine);
          const old = next.get(mine);
          if (holds) {
            next.set(mine, [String(op.value), old?.[1] ?? now + 1, now + 1, (old?.[3] ?? 0) + 1]);
            events.push(`put ${mine} ${op.value} was ${old?.[0]}`);
          }
          return [{ op: 'put', key: mine, value: bytes(String(op.value)) }];
        }
        const gone = [0, 1, 2, 3, 4, 5, 6, 7]
          .map(name)
          .filter((k) => (op.end === undefined ? k === mine : k >= mine && k < name(op.end)));
        if (gone.some((k) => touched.has(k))) return [];
        for (const k of gone) {
          touched.add(k);
          const old = next.get(k);
          if (holds && old) events.push(`delete ${k}  was ${old[0]}`);
          if (holds) next.delete(k);
        }
        return [{ op: 'delete', key: mine, ...(op.end === undefined ? {} : { end: name(op.end) }) }];
      });
      const compare = one.compare
        ? [{ key: name(one.compare.key), target: 'version' as const, equals: one.compare.version }]
        : [];
      const result = await store.txn(compare, ops);
      if (events.length) {
        states.push(next);
        log.push(events);
      }
      same(
        [result.succeeded, result.revision - base],
        [holds, states.length - 1],
        'the result of a transaction',
      );
    } else if (one.kind === 'read') {
      const at = Math.max(0, now - one.back);
      const range = { key: name(one.from), end: name(one.to), limit: one.limit, revision: base + at };
      if (at < compacted) {
        const error = await store.range(range).catch((reason: unknown) => reason);
        same(error instanceof CompactedError, true, 'that a compacted range is refused');
        continue;
      }
      const all = [...states[at]!]
        .filter(([k]) => k >= range.key && k < range.end)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      const wanted = one.limit ? all.slice(0, one.limit) : all;
      const found = await store.range(range);
      const text = new TextDecoder();
      same(
        [
          found.count,
          found.more,
          found.kvs.map((kv) => [
            kv.key,
            [text.decode(kv.value), kv.createRevision - base, kv.modRevision - base, kv.version],
          ]),
        ],
        [all.length, wanted.length < all.length, wanted],
        `the range at ${at}`,
      );
    } else if (one.kind === 'watch') {
      const from = Math.max(compacted + 1, now + 1 - one.back);
      const watch = watching(store, prefix, prefixEnd(prefix), base + from);
      watches.push({ from, watch });
      // A remote store's watch begins a little later: not after the next compaction.
      const past = log.slice(from).flat();
      await watch.until(() => watch.events.length >= past.length);
    } else if (now - one.back > compacted) {
      compacted = now - one.back;
      await store.compact(base + compacted);
    }
  }
  for (const { from, watch } of watches) {
    const wanted = log.slice(from).flat();
    await watch.until(() => watch.events.length >= wanted.length);
    watch.stop();
    const text = new TextDecoder();
    // `previous` is not given where it is compacted, and is read late: look only at what is sure.
    same(
      watch.events.map((e) => `${e.type} ${e.kv.key} ${text.decode(e.kv.value)}`),
      wanted.map((event) => event.replace(/ was .*/, '')),
      `what the watch from ${from} got`,
    );
    for (const [i, event] of watch.events.entries()) {
      if (!event.previous) continue;
      same(text.decode(event.previous.value), wanted[i]!.replace(/.* was /, ''), 'what was before');
    }
  }
}

/** Checks `runs` random histories; each gets keys of its own in the store that `open` gives. */
export async function checkHistories(store: Store, runs: number): Promise<void> {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) =>
      run(store, `/registry/history-${n++}/`, steps),
    ),
    { numRuns: runs },
  );
}
