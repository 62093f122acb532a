import {
  type Compare,
  type KeyValue,
  type Op,
  OutcomeUnknownError,
  type RangeRequest,
  type RangeResult,
  type StoreEvent,
  type TxnResult,
} from '../../machinery/store.ts';
import { bytesOf, type Read, type Write } from '../messages.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { CallFailed } from './etcd-member.ts';
import { type RemoteWatches, rangeEnd, readKeyValue } from './remote-watches.ts';

/** Not under `/registry/`: no API server looks at it. */
const fenceKey = '/wherry/fence';

/** When a write is late, at the least; else this many times what the slowest of late has taken. */
const lateMs = 1000;
const lateFactor = 3;
/** How much of that is remembered after each write. */
const fade = 0.98;

/** A transaction on its way, and what is seen of its keys meanwhile. */
interface Flight {
  keys: Set<string>;
  seen: StoreEvent[];
  /** Events were lost: nothing can be concluded from what was seen. */
  blind: boolean;
}

/**
 * Transactions, each carried out once, whatever happens to the connection.
 *
 * One whose answer is lost may have been carried out, or be on its way still: in the buffers of a member that hangs, and
 * that goes on in a minute. So each has a compare with the revision of a key that is never there until it is needed, the
 * fence. When an answer is lost, the fence is written: what was sent before and has not been carried out by then never will
 * be. And what has been carried out shows in the watch, before the fence does, as an event with our very bytes. So after
 * the fence it is known what happened, and what did not happen is sent again.
 *
 *     put a=1 if fence@0   → member 1, which hangs
 *     put fence            → member 2: revision 7
 *     watch:  5 b=2, 6 a=1, 7 fence   → it was carried out, as revision 6
 *     watch:  5 b=2, 6 fence…         → it was not, and will not be: put a=1 if fence@6 → member 2
 */
export class RemoteWrites {
  readonly #connection: EtcdConnection;
  readonly #watches: RemoteWatches;
  readonly #flights = new Set<Flight>();
  #fence = 0;
  #raising: Promise<void> | undefined;
  /** How long writes take of late: the slowest, fading. */
  #slowMs = 0;

  constructor(connection: EtcdConnection, watches: RemoteWatches) {
    this.#connection = connection;
    this.#watches = watches;
  }

  /** Reads where the fence is. */
  async start(): Promise<void> {
    const { kvs } = await this.#connection.call('Range', { key: bytesOf(fenceKey) });
    this.#fence = Math.max(this.#fence, kvs[0]?.modRevision ?? 0);
  }

  /** All events, before any other watch is given them. */
  note(events: StoreEvent[]): void {
    for (const event of events) {
      const { key, modRevision } = event.kv;
      if (key === fenceKey) this.#fence = Math.max(this.#fence, modRevision);
      for (const flight of this.#flights) if (flight.keys.has(key)) flight.seen.push(event);
    }
  }

  /** Events were lost. */
  blind(): void {
    for (const flight of this.#flights) flight.blind = true;
  }

  /** Rejects with OutcomeUnknownError, StoreUnavailableError (nothing was done), or an Error that says what etcd said. */
  async run(compare: Compare[], success: Op[], failure: Op[]): Promise<TxnResult> {
    const flight: Flight = {
      keys: new Set(success.filter((op) => op.op !== 'range').map(({ key }) => key)),
      seen: [],
      blind: false,
    };
    this.#flights.add(flight);
    try {
      return await this.#attempts(flight, compare, success, failure);
    } finally {
      this.#flights.delete(flight);
    }
  }

  async #attempts(flight: Flight, compare: Compare[], success: Op[], failure: Op[]): Promise<TxnResult> {
    const until = Date.now() + this.#connection.patienceMs;
    const writes = flight.keys.size > 0;
    // A branch that writes must not be taken because of the fence.
    const fenced = writes && !failure.some(({ op }) => op !== 'range');
    while (true) {
      const fence = this.#fence;
      try {
        const result = await this.#once(fenced ? fence : undefined, compare, success, failure);
        if (result) return result;
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        const known = error.executed === 'no' || !(writes || failure.length);
        if (!known && !fenced) throw new OutcomeUnknownError(error.message, { cause: error });
        const done = known ? undefined : await this.#settle(flight, fence, success, until, error);
        if (done) return this.#resultOf(done, success);
        await this.#connection.regain(until, error);
      }
    }
  }

  /** Undefined: it was not carried out, as the fence is higher. */
  async #once(
    fence: number | undefined,
    compare: Compare[],
    success: Op[],
    failure: Op[],
  ): Promise<TxnResult | undefined> {
    const fenced = fence !== undefined;
    const request = {
      compare: [
        ...(fenced ? [wireCompare({ key: fenceKey, target: 'mod', equals: fence })] : []),
        ...compare.map(wireCompare),
      ],
      success: success.map(wireOp),
      failure: [...(fenced ? [wireOp({ op: 'range', key: fenceKey })] : []), ...failure.map(wireOp)],
    };
    const late = fenced ? this.#lateMs : undefined;
    const began = Date.now();
    const response = await this.#connection.attempt('Txn', request, 0, late);
    this.#noteTime(began);
    const { succeeded, header } = response;
    const { revision } = header!;
    if (fenced && !succeeded) {
      const now = response.responses[0]!.responseRange!.kvs[0]?.modRevision ?? 0;
      if (now !== fence) {
        this.#fence = now;
        return undefined;
      }
      response.responses.shift();
    }
    const responses = response.responses.map((one) => responseOf(one, revision));
    return { succeeded, revision, responses };
  }

  /** What became of a transaction that was sent when the fence was at `fence`: its revision, or undefined for nothing. */
  async #settle(
    flight: Flight,
    fence: number,
    success: Op[],
    until: number,
    cause: unknown,
  ): Promise<StoreEvent[] | undefined> {
    try {
      while (this.#fence <= fence) {
        this.#raising ??= this.#raise(until).finally(() => (this.#raising = undefined));
        await this.#raising;
      }
      await this.#watches.delivered(this.#fence, [], Math.max(1, until - Date.now()));
    } catch {
      throw new OutcomeUnknownError('etcd does not say whether it has written', { cause });
    }
    const found = Map.groupBy(flight.seen, ({ kv }) => kv.modRevision)
      .values()
      .find((events) => success.every((op) => isMade(op, events)));
    if (!found && flight.blind)
      throw new OutcomeUnknownError('etcd does not know any more whether it has written', { cause });
    flight.seen = [];
    return found;
  }

  #noteTime(began: number): void {
    this.#slowMs = Math.max(Date.now() - began, this.#slowMs * fade);
  }

  get #lateMs(): number {
    return Math.max(lateMs, this.#slowMs * lateFactor);
  }

  /** Any number of times is as good as once. */
  async #raise(until: number): Promise<void> {
    for (let late = this.#lateMs; ; late *= 2) {
      try {
        const began = Date.now();
        const value = bytesOf(String(began));
        const { header } = await this.#connection.attempt('Put', { key: bytesOf(fenceKey), value }, 0, late);
        this.#noteTime(began);
        this.#fence = Math.max(this.#fence, header!.revision);
        return;
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        await this.#connection.regain(until, error);
      }
    }
  }

  async #resultOf(events: StoreEvent[], success: Op[]): Promise<TxnResult> {
    const revision = events[0]!.kv.modRevision;
    const responses = success.map((op): TxnResult['responses'][number] | Promise<RangeResult> => {
      if (op.op === 'put') return undefined;
      if (op.op === 'range')
        return this.#connection
          .call('Range', { ...wireRange(op), revision }, revision)
          .then((response) => rangeResult(response, revision));
      const previous = events
        .filter((event) => event.type === 'delete' && covers(op, event.kv.key))
        .flatMap((event) => event.previous ?? []);
      return { deleted: previous.length, previous };
    });
    return { succeeded: true, revision, responses: await Promise.all(responses) };
  }
}

/** These events of one revision are what the operation makes, so it was ours: no two writers write the same bytes. */
function isMade(op: Op, events: StoreEvent[]): boolean {
  if (op.op === 'range') return true;
  if (op.op === 'delete') return events.some(({ type, kv }) => type === 'delete' && covers(op, kv.key));
  return events.some(({ type, kv }) => type === 'put' && kv.key === op.key && sameBytes(kv.value, op.value));
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const covers = ({ key, end }: { key: string; end?: string }, changed: string): boolean =>
  end === undefined ? changed === key : changed >= key && changed < end;

function responseOf(one: Read<'ResponseOp'>, revision: number): TxnResult['responses'][number] {
  if (one.responseRange) return rangeResult(one.responseRange, revision);
  if (!one.responseDeleteRange) return undefined;
  const { deleted, prevKvs } = one.responseDeleteRange;
  return { deleted, previous: prevKvs.map(readKeyValue) };
}

export function rangeResult(response: Read<'RangeResponse'>, revision: number): RangeResult {
  const { kvs, count, more } = response;
  return { kvs: kvs.map((kv): KeyValue => readKeyValue(kv)), count, more, revision };
}

const wireKeys = (key: string, end: string | undefined) => ({
  key: bytesOf(key),
  ...(end === undefined ? {} : { rangeEnd: rangeEnd(end)! }),
});

export const wireRange = ({ key, end, limit = 0, countOnly }: RangeRequest): Write<'RangeRequest'> => ({
  ...wireKeys(key, end),
  limit,
  countOnly: countOnly ?? false,
});

function wireOp(op: Op): Write<'RequestOp'> {
  if (op.op === 'range') return { requestRange: wireRange(op) };
  if (op.op === 'delete') return { requestDeleteRange: { ...wireKeys(op.key, op.end), prevKv: true } };
  return { requestPut: { key: bytesOf(op.key), value: op.value, lease: op.lease ?? 0 } };
}

function wireCompare({ key, target, equals }: Compare): Write<'Compare'> {
  const common = { key: bytesOf(key), result: 0 };
  if (target === 'version') return { ...common, target: 0, version: equals };
  if (target === 'create') return { ...common, target: 1, createRevision: equals };
  return { ...common, target: 2, modRevision: equals };
}
