// Checks a history. Every writing transaction is answered with the one global revision that it got, and one watch sees every
// revision across restarts: the order in which everything took place is known. It remains to check that this one order
// explains all answers and agrees with real time (strict serializability), and that every watch was told of it all, once
// and in order. `lowe.ts` looks for an order without the help of revisions.

import {
  type Call,
  type Change,
  type Compare,
  corrupt,
  type Event,
  everything,
  isLong,
  type Kv,
  type Op,
  type OpAnswer,
  observer,
  type RangeAnswer,
} from './history.ts';

export class Violation extends Error {}

function fail(what: string): never {
  throw new Violation(what);
}

/** Every state there was: of each key, what it was from which revision on. */
class States {
  readonly #keys = new Map<string, { mod: number; kv: Kv | undefined }[]>();

  at(key: string, revision: number): Kv | undefined {
    return this.#keys.get(key)?.findLast(({ mod }) => mod <= revision)?.kv;
  }
  apply({ type, kv }: Change): void {
    const history = this.#keys.get(kv.key) ?? [];
    this.#keys.set(kv.key, history);
    history.push({ mod: kv.mod, kv: type === 'put' ? kv : undefined });
  }
  range(key: string, end: string | undefined, revision: number): Kv[] {
    const keys = end === undefined ? [key] : [...this.#keys.keys()].filter((k) => k >= key && k < end).sort();
    return keys.map((k) => this.at(k, revision)).filter((kv) => kv !== undefined);
  }
}

const holds = (states: States, { key, target, equals }: Compare, revision: number): boolean =>
  (states.at(key, revision)?.[target] ?? 0) === equals;

/** What a transaction does to the state at `before`, were it to get the revision after that. */
function simulate(states: States, call: Extract<Call, { call: 'txn' }>, before: number) {
  const succeeded = call.compare.every((c) => holds(states, c, before));
  const mod = before + 1;
  const own = new Map<string, Kv | undefined>();
  const changes: Change[] = [];
  const at = (key: string) => (own.has(key) ? own.get(key) : states.at(key, before));
  const range = (key: string, end?: string): Kv[] => {
    const keys = new Set(states.range(key, end, before).map((kv) => kv.key));
    for (const k of own.keys()) if (end === undefined ? k === key : k >= key && k < end) keys.add(k);
    return [...keys]
      .sort()
      .map(at)
      .filter((kv) => kv !== undefined);
  };
  const run = (op: Op): OpAnswer => {
    if (op.op === 'range') {
      const kvs = range(op.key, op.end);
      const some = op.limit ? kvs.slice(0, op.limit) : kvs;
      return { kvs: some, count: kvs.length, more: some.length < kvs.length, revision: 0 };
    }
    if (op.op === 'delete') {
      const deleted = range(op.key, op.end);
      for (const { key } of deleted) {
        own.set(key, undefined);
        changes.push({ type: 'delete', kv: { key, value: 0, create: 0, mod, version: 0, lease: 0 } });
      }
      return { deleted };
    }
    const { key, value, lease } = op;
    const old = at(key);
    const kv = { key, value, create: old?.create ?? mod, mod, version: (old?.version ?? 0) + 1, lease };
    own.set(key, kv);
    changes.push({ type: 'put', kv });
    return null;
  };
  const answers = (succeeded ? call.success : call.failure).map(run);
  return { succeeded, answers, changes };
}

const text = (value: unknown): string => JSON.stringify(value);
function same(actual: unknown, wanted: unknown, what: string): void {
  if (text(actual) !== text(wanted)) fail(`${what} is ${text(actual)}, and should be ${text(wanted)}`);
}
/** The revision within an answer of a transaction is that of its header. */
const bare = (answer: OpAnswer): OpAnswer =>
  answer && 'kvs' in answer ? { ...answer, revision: 0 } : answer;
const effect = (changes: Change[]): string => text(changes.map(({ type, kv }) => [type, kv]));

interface Pending {
  id: number;
  call: Call;
  /** Where in the history it was called, and in which life of the store. */
  begun: number;
  life: number;
  /** What was over when it was called: it takes place after that. */
  after: number;
}

export interface Checked {
  revisions: number;
  calls: number;
  watches: number;
  compactions: number;
  refusals: number;
}

/** Checks everything. Throws a Violation that says what cannot be. */
export function check(events: Event[]): Checked {
  return new Checker(events).run();
}

class Checker {
  readonly #events: Event[];
  readonly #log: Map<number, Change[]>;
  readonly #states = new States();
  readonly #calls = new Map<number, Pending>();
  readonly #watches = new Map<number, { key: string; end: string; next: number }>();
  readonly #counted: Checked = { revisions: 0, calls: 0, watches: 0, compactions: 0, refusals: 0 };
  /** The answered call whose revision it is. */
  readonly #owners = new Map<number, number>();
  /** By revision: where in the history the latest of all calls up to it was made. Nobody can see it before. */
  readonly #begun: number[] = [0, 0];
  readonly #revoked = new Set<number>();
  readonly #granted = new Set<number>();
  /** A write of revision r takes place at r, what writes nothing and has seen r at r and a half. */
  #done = 1;
  #life = 0;
  #compacted = 0;
  /** Somebody has asked for it, at least. */
  #perhapsCompacted = 0;

  constructor(events: Event[]) {
    this.#events = events;
    this.#log = logOf(events);
    for (const changes of this.#log.values()) for (const change of changes) this.#states.apply(change);
    this.#counted.revisions = this.#log.size;
  }

  run(): Checked {
    this.#sweepCalls();
    this.#explain();
    this.#done = 1;
    for (const [n, event] of this.#events.entries()) this.#step(event, n);
    return this.#counted;
  }

  /** Finds out what was over when each call was made, and which revisions the answered ones have. */
  #sweepCalls(): void {
    let life = 0;
    this.#events.forEach((event, n) => {
      if (event.is === 'open') {
        life++;
        this.#done = Math.max(this.#done, event.revision);
      } else if (event.is === 'changes') this.#done = Math.max(this.#done, event.changes.at(-1)!.kv.mod);
      else if (event.is === 'call')
        this.#calls.set(event.id, { id: event.id, call: event.call, begun: n, life, after: this.#done });
      else if (event.is === 'answer') this.#sweepAnswer(event);
    });
  }

  #sweepAnswer({ id, answer }: Extract<Event, { is: 'answer' }>): void {
    const { call } = this.#calls.get(id)!;
    if (answer.call === 'range' && call.call === 'range' && !call.revision)
      this.#done = Math.max(this.#done, answer.range.revision + 0.5);
    if (answer.call === 'revoke') this.#done = Math.max(this.#done, answer.revision);
    if (answer.call !== 'txn' || call.call !== 'txn') return;
    const { revision, succeeded, answers } = answer;
    const got = text([succeeded, answers.map(bare)]);
    const wrote = simulate(this.#states, call, revision - 1);
    const seen = this.#log.get(revision);
    if (wrote.changes.length && seen && effect(wrote.changes) === effect(seen)) {
      if (text([wrote.succeeded, wrote.answers]) === got) {
        if (this.#owners.has(revision)) fail(`revision ${revision} was given to two transactions`);
        this.#owners.set(revision, id);
        this.#done = Math.max(this.#done, revision);
        return;
      }
    }
    const read = simulate(this.#states, call, revision);
    if (read.changes.length)
      fail(
        `call ${id} was answered with revision ${revision}, and what it did is not there: ${text(call)}, ${text(seen)}`,
      );
    same(
      [succeeded, answers.map(bare)],
      [read.succeeded, read.answers],
      `the answer of ${text(call)} at ${revision}`,
    );
    this.#done = Math.max(this.#done, revision + 0.5);
  }

  /** Every revision that was seen is what somebody did who had called before. */
  #explain(): void {
    const answered = new Set<number>();
    const impossible = new Set<number>();
    const opened: number[] = [];
    for (const event of this.#events) {
      if (event.is === 'answer') answered.add(event.id);
      else if (event.is === 'refusal' && event.why !== 'unknown') impossible.add(event.id);
      else if (event.is === 'open') opened.push(event.revision);
    }
    const open = [...this.#calls.values()].filter(({ id }) => !answered.has(id) && !impossible.has(id));
    for (const [mod, seen] of this.#log) {
      for (const { kv } of seen)
        if (kv.value === corrupt) fail(`revision ${mod} has a value that nobody wrote`);
      const owner = this.#owners.get(mod);
      const begun =
        owner === undefined ? this.#beginning(mod, seen, open, opened) : this.#calls.get(owner)!.begun;
      this.#begun[mod] = Math.max(begun, this.#begun[mod - 1] ?? 0);
    }
  }

  #beginning(mod: number, seen: Change[], open: Pending[], opened: number[]): number {
    const states = this.#states;
    for (const [i, pending] of open.entries()) {
      if (pending.call.call !== 'txn' || mod <= pending.after) continue;
      // The next start shows what has become of it.
      if (mod > (opened[pending.life] ?? Infinity)) continue;
      const { changes } = simulate(states, pending.call, mod - 1);
      if (effect(changes) !== effect(seen)) continue;
      open.splice(i, 1);
      return pending.begun;
    }
    // The keys of a lease that ended, all of them and nothing else.
    const [lease, ...others] = new Set(seen.map(({ kv }) => states.at(kv.key, mod - 1)?.lease ?? 0));
    const grant = [...this.#calls.values()].find(({ call }) => call.call === 'grant' && call.lease === lease);
    if (!others.length && lease && grant && seen.every(({ type }) => type === 'delete')) {
      const held = states.range(everything.key, everything.end, mod - 1).filter((kv) => kv.lease === lease);
      same(
        seen.map(({ kv }) => kv.key).sort(),
        held.map(({ key }) => key),
        `what went with lease ${lease}`,
      );
      return grant.begun;
    }
    return fail(`nobody did what revision ${mod} has: ${effect(seen)}`);
  }

  /** Somebody sees a revision: it is there, and who made it had called. */
  #shown(revision: number, n: number): void {
    if (revision > 1 && !this.#log.has(revision))
      fail(`revision ${revision} was shown, and the watch of everything never saw it`);
    if ((this.#begun[revision] ?? 0) > n) fail(`revision ${revision} was shown before anybody asked for it`);
  }

  #step(event: Event, n: number): void {
    switch (event.is) {
      case 'open':
        this.#open(event, n);
        return;
      case 'call':
        this.#counted.calls++;
        if (event.call.call === 'compact')
          this.#perhapsCompacted = Math.max(this.#perhapsCompacted, event.call.revision);
        if (event.call.call === 'revoke') this.#revoked.add(event.call.lease);
        return;
      case 'answer':
        this.#answer(event, n);
        return;
      case 'refusal':
        this.#refusal(event);
        return;
      case 'watch':
        this.#watches.set(event.watch, { key: event.key, end: event.end, next: event.next });
        this.#counted.watches++;
        return;
      case 'changes':
        this.#changes(event, n);
        return;
      case 'unwatch':
        this.#watches.delete(event.watch);
        return;
      case 'ended': {
        const watch = this.#watches.get(event.watch);
        this.#watches.delete(event.watch);
        if (event.why === 'compacted' && watch && watch.next > this.#perhapsCompacted)
          fail(`watch ${event.watch} is refused: ${watch.next} is not compacted`);
        return;
      }
      case 'quiet':
        this.#shown(event.revision, n);
        for (const [id, watch] of this.#watches) {
          const missed = this.#between(watch, watch.next, event.revision);
          if (missed.length) fail(`watch ${id} was never told of ${effect(missed)}`);
        }
    }
  }

  #open(event: Extract<Event, { is: 'open' }>, n: number): void {
    this.#shown(event.revision, n);
    if (event.revision < Math.floor(this.#done))
      fail(
        `the store opens at revision ${event.revision}, and ${Math.floor(this.#done)} was acknowledged or shown`,
      );
    if (event.compacted < this.#compacted)
      fail(`the store opens with revision ${event.compacted} compacted, and ${this.#compacted} was`);
    if (event.compacted > this.#perhapsCompacted)
      fail(`the store opens with revision ${event.compacted} compacted, and nobody asked for that`);
    for (const lease of this.#granted)
      if (!event.leases.includes(lease) && !this.#revoked.has(lease)) fail(`lease ${lease} is gone`);
    this.#compacted = event.compacted;
    this.#life++;
    this.#watches.clear();
    this.#done = Math.max(this.#done, event.revision);
  }

  /** What takes place does so after all that was over when it was called. */
  #place(pending: Pending, at: number): void {
    if (at < pending.after)
      fail(
        `call ${pending.id}, ${text(pending.call)}, took place at ${at}, and ${pending.after} was over before`,
      );
    this.#done = Math.max(this.#done, at);
  }

  #answer({ id, answer }: Extract<Event, { is: 'answer' }>, n: number): void {
    const pending = this.#calls.get(id)!;
    const { call } = pending;
    if (answer.call === 'txn') {
      const { revision } = answer;
      this.#shown(revision, n);
      const wrote = this.#owners.get(revision) === id;
      if (wrote && revision <= pending.after)
        fail(`call ${id} took place at ${revision}, before it was called`);
      this.#place(pending, wrote ? revision : revision + 0.5);
      if (wrote) this.#told(revision);
    } else if (answer.call === 'range' && call.call === 'range') {
      const at = call.revision || answer.range.revision;
      this.#shown(Math.max(at, answer.range.revision), n);
      if (call.revision && call.revision < this.#compacted && pending.after >= this.#compactedAt)
        fail(`revision ${call.revision} was read, and ${this.#compacted} was compacted`);
      this.#range(answer.range, at, call);
      // A read of the past says nothing of now.
      if (!call.revision) this.#place(pending, answer.range.revision + 0.5);
    } else if (answer.call === 'compact' && call.call === 'compact') {
      this.#compacted = Math.max(this.#compacted, call.revision);
      this.#compactedAt = this.#done;
      this.#counted.compactions++;
    } else if (answer.call === 'grant' && call.call === 'grant') {
      if (isLong(call.lease)) this.#granted.add(call.lease);
    } else if (answer.call === 'revoke' && call.call === 'revoke') {
      this.#shown(answer.revision, n);
      const all = this.#states.range(everything.key, everything.end, answer.revision);
      const left = all.filter((kv) => kv.lease === call.lease);
      if (left.length) fail(`lease ${call.lease} is revoked, and left ${text(left)}`);
    }
  }
  /** How far things were when the newest compaction was acknowledged: who was called later must respect it. */
  #compactedAt = 0;

  #range(range: RangeAnswer, at: number, call: Extract<Call, { call: 'range' }>): void {
    const kvs = this.#states.range(call.key, call.end, at);
    const some = call.countOnly ? [] : call.limit ? kvs.slice(0, call.limit) : kvs;
    const more = !call.countOnly && some.length < kvs.length;
    same([range.kvs, range.count, range.more], [some, kvs.length, more], `the range ${text(call)} at ${at}`);
  }

  /** A writer has its answer when every watch has been told. */
  #told(revision: number): void {
    for (const [id, watch] of this.#watches)
      if (watch.next <= revision && this.#between(watch, revision, revision).length)
        fail(`revision ${revision} was acknowledged before watch ${id} was told`);
  }

  #refusal({ id, why }: Extract<Event, { is: 'refusal' }>): void {
    const { call, after } = this.#calls.get(id)!;
    this.#counted.refusals++;
    if (call.call !== 'range' && call.call !== 'compact') return;
    const least = call.call === 'range' ? call.revision + 1 : call.revision;
    if (why === 'compacted' && least > this.#perhapsCompacted)
      fail(`${text(call)} is refused as compacted, and at most ${this.#perhapsCompacted} is`);
    if (why === 'future' && call.revision <= Math.floor(after))
      fail(`${text(call)} is refused as one to come, and ${after} was there`);
  }

  #changes({ watch: id, changes }: Extract<Event, { is: 'changes' }>, n: number): void {
    const watch = this.#watches.get(id);
    if (!watch) fail(`watch ${id} was told something before its beginning, or after its end`);
    const last = changes.at(-1)!.kv.mod;
    this.#shown(last, n);
    if (changes[0]!.kv.mod < watch.next)
      fail(`watch ${id} was told of ${changes[0]!.kv.mod}, and waits for ${watch.next}`);
    const wanted = this.#between(watch, watch.next, last);
    if (effect(changes) !== effect(wanted))
      fail(`watch ${id} was told ${effect(changes)}, and should have been told ${effect(wanted)}`);
    for (const { kv, previous } of changes) {
      if (previous === undefined) continue;
      const was = this.#states.at(kv.key, kv.mod - 1);
      if (previous || kv.mod > this.#perhapsCompacted)
        same(previous, was ?? null, `what ${kv.key} was before ${kv.mod}`);
    }
    watch.next = last + 1;
    this.#done = Math.max(this.#done, last);
  }

  #between({ key, end }: { key: string; end: string }, from: number, to: number): Change[] {
    const found: Change[] = [];
    for (let mod = from; mod <= to; mod++)
      for (const change of this.#log.get(mod) ?? [])
        if (change.kv.key >= key && change.kv.key < end) found.push(change);
    return found;
  }
}

/** What the watch of everything saw, by revision: each once, whole, in order, none left out. */
function logOf(events: Event[]): Map<number, Change[]> {
  const log = new Map<number, Change[]>();
  let last = 1;
  for (const event of events) {
    if (event.is !== 'changes' || event.watch !== observer) continue;
    const before = last;
    for (const change of event.changes) {
      const { mod } = change.kv;
      if (mod !== last + 1 && (mod !== last || mod === before))
        fail(`the watch of everything was told of ${mod} after ${last}`);
      if (mod === last && log.get(mod)!.some(({ kv }) => kv.key === change.kv.key))
        fail(`the watch of everything was told twice of ${change.kv.key} at ${mod}`);
      log.set(mod, [...(log.get(mod) ?? []), change]);
      last = mod;
    }
  }
  return log;
}
