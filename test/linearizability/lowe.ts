// The search of Wing and Gong with Lowe's memory of what was tried ("Testing for linearizability", 2017), key by key: each
// key is a register of its own, and a history is linearizable only if each key's is. It knows nothing of revisions but
// that a compare names the write whose revision it is: a second judge beside `checker.ts`.

import { type Change, type Event, type Kv, observer } from './history.ts';

/** The value of a key; 0: it is not there. */
type Value = number;

type Action =
  | { kind: 'read'; value: Value }
  | { kind: 'write'; value: Value }
  /** `expected`: what the key was compared with; undefined is something that it never was. */
  | { kind: 'swap'; expected: Value | undefined; value: Value; done: boolean };

interface Operation {
  action: Action;
  call: number;
  /** Infinity: nobody was told, and perhaps it never took place. */
  end: number;
}

export type Verdict = 'linearizable' | 'not linearizable' | 'undecided';

/** Tried states at most: beyond that, nobody knows. */
const mostStates = 200_000;

export function judge(operations: Operation[]): Verdict {
  const sorted = operations.toSorted((a, b) => a.call - b.call);
  const must = sorted.filter(({ end }) => end !== Infinity).length;
  const taken = new Array<boolean>(sorted.length).fill(false);
  const tried = new Set<string>();
  let states = 0;
  function go(value: Value, first: number, done: number): boolean | undefined {
    if (done === must) return true;
    while (taken[first]) first++;
    // What is taken behind `first` is little: calls of the same moment.
    const memory = `${value} ${first} ${taken.slice(first).map(Number).join('').replace(/0+$/, '')}`;
    if (tried.has(memory)) return false;
    tried.add(memory);
    if (++states > mostStates) return undefined;
    let earliestEnd = Infinity;
    for (let i = first; i < sorted.length && sorted[i]!.call < earliestEnd; i++)
      if (!taken[i]) earliestEnd = Math.min(earliestEnd, sorted[i]!.end);
    for (let i = first; i < sorted.length && sorted[i]!.call < earliestEnd; i++) {
      if (taken[i]) continue;
      const next = after(sorted[i]!.action, value);
      if (next === undefined) continue;
      taken[i] = true;
      const found = go(next, first, done + (sorted[i]!.end === Infinity ? 0 : 1));
      taken[i] = false;
      if (found !== false) return found;
    }
    return false;
  }
  const found = go(0, 0, 0);
  return found === undefined ? 'undecided' : found ? 'linearizable' : 'not linearizable';
}

/** The value after an action that can take place now; undefined: it cannot. */
function after(action: Action, value: Value): Value | undefined {
  if (action.kind === 'write') return action.value;
  if (action.kind === 'read') return action.value === value ? value : undefined;
  const holds = action.expected !== undefined && action.expected === value;
  if (holds !== action.done) return undefined;
  return holds ? action.value : value;
}

/** What a history has of one key each: simple puts, deletions, reads of the newest state, and compares by revision. */
export function perKey(events: Event[]): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  const writers = new Map<string, Value>();
  for (const event of events)
    if (event.is === 'changes' && event.watch === observer)
      for (const { kv, type } of event.changes)
        writers.set(`${kv.key} ${kv.mod}`, type === 'put' ? kv.value : 0);
  const all = new Set([...writers.keys()].map((one) => one.split(' ')[0]!));
  const ends = new Map<number, [number, Event]>();
  events.forEach((event, n) => {
    if (event.is === 'answer' || event.is === 'refusal') ends.set(event.id, [n, event]);
  });
  const add = (key: string, action: Action, call: number, end: number) => {
    const list = keys.get(key) ?? [];
    keys.set(key, list);
    list.push({ action, call, end });
  };
  events.forEach((event, n) => {
    if (event.is !== 'call') return;
    const [end, answer] = ends.get(event.id) ?? [Infinity, undefined];
    if (answer?.is === 'refusal' && answer.why !== 'unknown') return;
    const done = answer?.is === 'answer' ? answer.answer : undefined;
    const until = done ? end : Infinity;
    const { call } = event;
    if (call.call === 'range') {
      if (done?.call !== 'range' || call.revision || call.limit || call.countOnly) return;
      const found = new Map(done.range.kvs.map((kv: Kv) => [kv.key, kv.value]));
      for (const key of all)
        if (call.end === undefined ? key === call.key : key >= call.key && key < call.end)
          add(key, { kind: 'read', value: found.get(key) ?? 0 }, n, until);
    } else if (call.call === 'txn') {
      const [compare, ...more] = call.compare;
      const [op, ...others] = call.success;
      const single = compare && !more.length && !others.length && !call.failure.length;
      if (single && op && op.op === 'put' && compare.target === 'mod' && compare.key === op.key) {
        const expected = compare.equals ? writers.get(`${op.key} ${compare.equals}`) : 0;
        // A revision at which the key went is none that it has.
        const known = compare.equals && !expected ? undefined : expected;
        if (done?.call === 'txn')
          add(op.key, { kind: 'swap', expected: known, value: op.value, done: done.succeeded }, n, until);
        else add(op.key, { kind: 'write', value: op.value }, n, Infinity);
        return;
      }
      if (done && done.call === 'txn' && call.compare.length && !done.succeeded && !call.failure.length)
        return;
      const ops = done?.call === 'txn' && !done.succeeded ? call.failure : call.success;
      const sides = done ? [ops] : [call.success, call.failure];
      for (const one of sides.flat()) {
        if (one.op === 'put') add(one.key, { kind: 'write', value: one.value }, n, until);
        else if (one.op === 'delete')
          for (const key of all)
            if (one.end === undefined ? key === one.key : key >= one.key && key < one.end)
              add(key, { kind: 'write', value: 0 }, n, until);
      }
    } else if (call.call === 'grant') {
      // The lease's keys may go at any time, and more than once.
      for (const [key, times] of endsOfLease(events, call.lease))
        for (let i = 0; i < times; i++) add(key, { kind: 'write', value: 0 }, n, Infinity);
    }
  });
  return keys;
}

/** How often each key went otherwise than by a call: with its lease. */
function endsOfLease(events: Event[], lease: number): Map<string, number> {
  const times = new Map<string, number>();
  const held = new Map<string, number>();
  const seen = (change: Change) => {
    const { kv, type } = change;
    if (type === 'delete' && held.get(kv.key) === lease) times.set(kv.key, (times.get(kv.key) ?? 0) + 1);
    held.set(kv.key, type === 'put' ? kv.lease : 0);
  };
  for (const event of events)
    if (event.is === 'changes' && event.watch === observer) event.changes.forEach(seen);
  return times;
}
