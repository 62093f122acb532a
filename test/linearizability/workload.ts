import { NothingWrittenError } from '../../src/etcd/backend.ts';
import { EtcdError } from '../../src/etcd/etcd-error.ts';
import type { Leases } from '../../src/etcd/leases.ts';
import {
  CompactedError,
  FutureRevisionError,
  type KeyValue,
  type RangeResult,
  type Store,
  type Op as StoreOp,
} from '../../src/machinery/store.ts';
import {
  type Answer,
  type Call,
  type Compare,
  decodeValue,
  type Event,
  encodeValue,
  everything,
  isLong,
  type Kv,
  type Op,
  type OpAnswer,
  observer,
  type RangeAnswer,
  type Refusal,
} from './history.ts';

export interface Plan {
  clients: number;
  /** Calls of each client. */
  calls: number;
  /** Numbers for values, calls, watches and leases begin here: no other part of the history has them. */
  first: number;
  /** Where the watch that sees everything goes on. */
  observeFrom: number;
  /** Watches that go on where they were. */
  resume: { key: string; end: string; next: number }[];
  /** Leases that may still be there. */
  leases: number[];
  /** The store makes a watch wait for its past. */
  remote: boolean;
}

const kvOf = (kv: KeyValue): Kv => ({
  key: kv.key,
  value: kv.value.length ? decodeValue(kv.value) : 0,
  create: kv.createRevision,
  mod: kv.modRevision,
  version: kv.version,
  lease: kv.lease ?? 0,
});
const rangeOf = (range: RangeResult): RangeAnswer => ({ ...range, kvs: range.kvs.map(kvOf) });

function refusalOf(error: unknown): Refusal {
  if (error instanceof CompactedError) return 'compacted';
  if (error instanceof FutureRevisionError) return 'future';
  if (error instanceof NothingWrittenError) return 'nothing';
  if (error instanceof EtcdError && /lease/.test(error.message)) return 'no lease';
  return 'unknown';
}

const prefixes = ['/registry/a/', '/registry/b/', '/registry/c/'];

/** Several clients who call a store at once, each one call after the other, and what they, and watches, see. */
export async function work(
  store: Store,
  leases: Leases | undefined,
  random: () => number,
  plan: Plan,
  record: (event: Event) => void,
): Promise<void> {
  let next = plan.first;
  const upTo = (n: number): number => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => from[upTo(from.length)]!;
  const key = (): string => pick(prefixes) + upTo(4);
  const known: { key: string; mod: number; version: number; create: number }[] = [];
  const live = [...plan.leases];
  const watches = new Map<number, () => void>();

  const span = (): { key: string; end?: string } => {
    const from = pick(prefixes);
    return pick<() => { key: string; end?: string }>([
      () => ({ key: key() }),
      () => ({ key: from, end: `${from.slice(0, -1)}0` }),
      () => ({ key: `${from}1`, end: `${from}3` }),
      () => everything,
    ])();
  };
  const put = (): Op => ({
    ...{ op: 'put', key: key(), value: next++ },
    lease: leases && live.length && random() < 0.2 ? pick(live) : 0,
  });
  const op = (): Op => {
    const chance = random();
    if (chance < 0.6) return put();
    if (chance < 0.8) return { op: 'delete', key: key() };
    return { op: 'range', ...span(), limit: upTo(3) };
  };
  const compare = (): Compare => {
    const seen = known.length && random() < 0.8 ? known[Math.max(0, known.length - 1 - upTo(6))]! : undefined;
    const target = pick(['mod', 'mod', 'create', 'version'] as const);
    const at = seen?.key ?? key();
    return { key: at, target, equals: seen && random() < 0.9 ? seen[target] : 0 };
  };

  function call(): Call {
    const chance = random();
    if (chance < 0.28) return { call: 'txn', compare: [], success: [put()], failure: [] };
    if (chance < 0.4) {
      const swap = put() as Extract<Op, { op: 'put' }>;
      const seen = known.findLast((kv) => kv.key === swap.key);
      const equals = seen && random() < 0.9 ? seen.mod : 0;
      return {
        ...{ call: 'txn', compare: [{ key: swap.key, target: 'mod', equals }], success: [swap], failure: [] },
      };
    }
    if (chance < 0.48) {
      const whole = random() < 0.2 ? span() : { key: key() };
      return { call: 'txn', compare: [], success: [{ op: 'delete', ...whole }], failure: [] };
    }
    if (chance < 0.68) {
      const some = (n: number): Op[] => {
        const ops: Op[] = [];
        for (let i = upTo(n); i >= 0; i--) {
          const one = op();
          // As etcd: a transaction touches a key once.
          if (one.op === 'range' || !ops.some((o) => o.op !== 'range' && o.key === one.key)) ops.push(one);
        }
        return ops;
      };
      return {
        ...{ call: 'txn', compare: Array.from({ length: upTo(3) }, compare), success: some(4) },
        failure: random() < 0.5 ? some(2) : [],
      };
    }
    if (chance < 0.92 || (!leases && chance > 0.95)) {
      const past = random() < 0.35 ? Math.max(1, store.revision + 2 - upTo(30)) : 0;
      return {
        ...{ call: 'range', ...span(), limit: random() < 0.3 ? 1 + upTo(4) : 0, revision: past },
        countOnly: random() < 0.1,
      };
    }
    if (chance < 0.95) return { call: 'compact', revision: Math.max(1, store.revision - upTo(12)) };
    if (chance < 0.98 || !live.length || !leases) return { call: 'grant', lease: next++ };
    return { call: 'revoke', lease: pick(live) };
  }

  const storeOp = (one: Op): StoreOp =>
    one.op === 'put'
      ? { op: 'put', key: one.key, value: encodeValue(one.value), ...(one.lease ? { lease: one.lease } : {}) }
      : one;

  async function made(one: Call): Promise<Answer> {
    if (one.call === 'txn') {
      // Leases are above the store: who puts with one asks them.
      const wanted = [...one.success, ...one.failure].filter((o) => o.op === 'put' && o.lease);
      for (const o of wanted)
        if (o.op === 'put' && !leases!.has(o.lease)) throw new EtcdError(5, 'requested lease not found');
      const result = await store.txn(one.compare, one.success.map(storeOp), one.failure.map(storeOp));
      const answers = result.responses.map((response): OpAnswer => {
        if (!response) return null;
        return 'deleted' in response ? { deleted: response.previous.map(kvOf) } : rangeOf(response);
      });
      return { call: 'txn', succeeded: result.succeeded, revision: result.revision, answers };
    }
    if (one.call === 'range') {
      const { call: _, ...request } = one;
      const range = rangeOf(await store.range(request));
      known.push(...range.kvs.slice(0, 2));
      return { call: 'range', range };
    }
    if (one.call === 'compact') {
      await store.compact(one.revision);
      return { call: 'compact' };
    }
    if (one.call === 'grant') {
      await leases!.grant(isLong(one.lease) ? 1e6 : 1 + upTo(3), one.lease);
      live.push(one.lease);
      return { call: 'grant' };
    }
    return { call: 'revoke', revision: await leases!.revoke(one.lease) };
  }

  function watch(at: { key: string; end: string }, from: number, id = next++): void {
    record({ is: 'watch', watch: id, ...at, next: from || store.revision + 1 });
    let stop: () => void;
    try {
      stop = begin(at, from, id);
    } catch {
      // A store that has stopped takes no watches.
      record({ is: 'ended', watch: id, why: 'other' });
      return;
    }
    watches.set(id, () => {
      record({ is: 'unwatch', watch: id });
      stop();
    });
  }

  const begin = (at: { key: string; end: string }, from: number, id: number): (() => void) =>
    store.watch({
      ...at,
      ...(from ? { startRevision: from } : {}),
      onEvents: (events, revision) =>
        record({
          ...{ is: 'changes', watch: id, revision },
          changes: events.map((event) => ({
            ...{ type: event.type, kv: kvOf(event.kv) },
            ...(event.kv.modRevision % 3 ? {} : { previous: event.previous ? kvOf(event.previous) : null }),
          })),
        }),
      onEnd: (error) => {
        watches.delete(id);
        record({ is: 'ended', watch: id, why: error instanceof CompactedError ? 'compacted' : 'other' });
      },
    });

  watch(everything, plan.observeFrom, observer);
  watches.delete(observer);
  for (const { next: from, ...at } of plan.resume) watch(at, from);
  if (!plan.remote) watch({ key: '/registry/b/', end: '/registry/b0' }, 0);

  async function run(one: Call): Promise<boolean> {
    const id = next++;
    record({ is: 'call', id, call: one });
    try {
      const answer = await made(one);
      record({ is: 'answer', id, answer });
      return true;
    } catch (error) {
      record({ is: 'refusal', id, why: refusalOf(error), text: (error as Error).message });
      return false;
    }
  }

  async function client(): Promise<void> {
    for (let n = 0; n < plan.calls; n++) {
      const chance = random();
      if (chance < 0.05) {
        const at = random() < 0.5 ? everything : { key: '/registry/a/', end: '/registry/a0' };
        // A remote store's newest revision may be beyond what it knows of when the watch reaches it.
        watch(at, random() < 0.4 && !plan.remote ? 0 : Math.max(1, store.revision + 3 - upTo(25)));
      } else if (chance < 0.07 && watches.size) {
        const [id, stop] = pick([...watches]);
        watches.delete(id);
        stop();
      }
      await run(call());
      const pause = random();
      if (pause < 0.1) await new Promise((resolve) => setTimeout(resolve, upTo(3)));
      else if (pause < 0.3) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await Promise.all(Array.from({ length: plan.clients }, client));
  // A transaction that writes nothing waits for all that was decided before it.
  await store.txn([], []).catch(() => {}); // a store that has stopped says so
  // A remote store's put is answered when every watch that sees it has been told, and so of all before it.
  if (plan.remote && plan.clients)
    for (const prefix of prefixes)
      if (!(await run({ call: 'txn', compare: [], success: [{ ...put(), key: `${prefix}1` }], failure: [] })))
        return;
  record({ is: 'quiet', revision: store.revision });
}
