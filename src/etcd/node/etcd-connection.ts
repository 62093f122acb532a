import type { ServiceError } from '@grpc/grpc-js';
import { OutcomeUnknownError, StoreClosedError, StoreUnavailableError } from '../../machinery/store.ts';
import { bytesOf, type Read, type Write } from '../messages.ts';
import {
  CallFailed,
  EtcdMember,
  type EtcdTls,
  type Methods,
  type Unary,
  type WatchCall,
} from './etcd-member.ts';

export interface RemoteOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `unix:///PATH`, members of one cluster. */
  endpoints: string[];
  tls?: EtcdTls;
  /** How long something is tried before it is given up; 10 seconds unless told. */
  patienceMs?: number;
}

/** How long a member may take for the smallest of answers before another one is asked, too. */
const answerMs = 600;
/** How long a call may take before it is looked whether its member is there. */
const doubtMs = 250;
const pauseMs = 50;
/** A key that is not there: reading it tells the newest revision. */
const nothing = { key: bytesOf('/registry/health'), keysOnly: true };

/** What changes something, or may. All else can be asked again. */
const writes = new Set<Unary>(['Put', 'DeleteRange', 'Txn', 'LeaseGrant', 'LeaseRevoke']);

interface Waiter {
  resolve(revision: number): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Speaks to one member of an etcd cluster at a time. Whether it is there shows in reads through its leader: when one is
 * not answered in time, all members are asked, and the first that answers is the one to go on with; what the other one was
 * doing is then broken off. A member that is down, that hangs, that is cut off from the others: all look the same from
 * here. When nobody answers, there is no majority, and nobody better to go to.
 */
export class EtcdConnection {
  readonly #members: EtcdMember[];
  readonly #patienceMs: number;
  #current: EtcdMember;
  #waiters: Waiter[] = [];
  #reading = false;
  #closed = false;
  #clusterId: number | undefined;
  /** The newest term of a leader that was heard of. */
  #term = 0;
  /** What the last one said that did not answer. */
  #problem = 'no member has answered yet';

  constructor({ endpoints, tls = {}, patienceMs = 10_000 }: RemoteOptions) {
    if (!endpoints.length) throw new Error('no endpoint of etcd is given');
    this.#members = endpoints.map((endpoint) => new EtcdMember(endpoint, tls));
    this.#patienceMs = patienceMs;
    // Servers that are told the same endpoints do not all go to the same member.
    this.#current = this.#members[Math.floor(Math.random() * endpoints.length)]!;
  }

  get patienceMs(): number {
    return this.#patienceMs;
  }

  /** Asks each member once. Rejects with what the last one says when none answers. */
  async connect(): Promise<void> {
    try {
      await this.#race(3000);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors.at(-1) : error;
    }
  }

  /**
   * The newest revision: at least that of all that was acknowledged to anybody before the call. Calls at the same time
   * share a read. Throws StoreUnavailableError when no majority answers within `limitMs`.
   */
  newest(limitMs = this.#patienceMs): Promise<number> {
    if (this.#closed) return Promise.reject(new StoreClosedError());
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...{ resolve, reject },
        timer: setTimeout(() => {
          this.#waiters = this.#waiters.filter((one) => one !== waiter);
          reject(this.#unavailable());
        }, limitMs),
      };
      this.#waiters.push(waiter);
      if (!this.#reading) void this.#read();
    });
  }

  #unavailable(cause?: unknown): StoreUnavailableError {
    const why = cause instanceof Error ? cause.message : this.#problem;
    return new StoreUnavailableError(`etcd does not answer, or has no leader: ${why}`, { cause });
  }

  /** Serves who waits: each with a read that began after he came. */
  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#waiters.length && !this.#closed) {
      const served = new Set(this.#waiters);
      try {
        const revision = await this.#round();
        this.#waiters = this.#waiters.filter((one) => !served.has(one));
        for (const { timer, resolve } of served) {
          clearTimeout(timer);
          resolve(revision);
        }
      } catch (error) {
        const last = error instanceof AggregateError ? error.errors.at(-1) : error;
        this.#problem = (last as Error).message;
        await pause(pauseMs); // who waits too long rejects by his own timer
      }
    }
    this.#reading = false;
  }

  async #round(): Promise<number> {
    const asked = this.#current;
    try {
      return await this.#ask(asked, answerMs);
    } catch {
      return this.#race(answerMs);
    }
  }

  async #ask(member: EtcdMember, limitMs: number): Promise<number> {
    const { header } = await member.unary('Range', nothing, { limitMs, lasting: true });
    const { clusterId, revision, raftTerm } = header!;
    this.#clusterId ??= clusterId;
    if (clusterId !== this.#clusterId)
      throw new Error(`etcd at ${member.endpoint} is a member of another cluster than the others`);
    this.#term = Math.max(this.#term, raftTerm);
    return revision;
  }

  async #race(limitMs: number): Promise<number> {
    const first = await Promise.any(
      this.#members.map(async (member) => ({ member, revision: await this.#ask(member, limitMs) })),
    );
    const left = this.#current;
    this.#current = first.member;
    if (left !== first.member) left.abandon();
    return first.revision;
  }

  /**
   * One attempt, with the member of the moment. Rejects with CallFailed when it has no answer; then `regain` tells when
   * there is a member to try again with.
   *
   * A member hands what it is asked for to its leader. When that one dies with it, nobody will ever answer; the member says
   * so after seven seconds. But once another one leads, and a read through it has been answered, what the former one had
   * done is done, and what is not answered by then never will be: it is broken off. So is what has not been answered after
   * `lateMs`, though reads are: members drop what they hand on when the connection between them breaks.
   */
  async attempt<M extends Unary>(
    method: M,
    request: Write<Methods[M][1]>,
    revision = 0,
    lateMs = Number.POSITIVE_INFINITY,
  ): Promise<Read<Methods[M][2]>> {
    const hopeless = new AbortController();
    let answered = false;
    const term = this.#term;
    const late = Date.now() + lateMs;
    // Something that takes long may be much work, a member that is not there, or something that a leader took with it.
    const doubt = async () => {
      await this.newest().catch(() => hopeless.abort());
      if (answered) return;
      const isLost = this.#term > term || Date.now() >= late;
      timer = isLost ? setTimeout(() => hopeless.abort(), pauseMs) : setTimeout(doubt, doubtMs);
    };
    let timer = setTimeout(doubt, doubtMs);
    try {
      return await this.#current.unary(method, request, { revision, signal: hopeless.signal });
    } finally {
      answered = true;
      clearTimeout(timer);
    }
  }

  /**
   * As often as it takes. Rejects with CompactedError, FutureRevisionError (for `revision`), StoreUnavailableError,
   * OutcomeUnknownError for what may have been written, or an Error that says what etcd said.
   */
  async call<M extends Unary>(
    method: M,
    request: Write<Methods[M][1]>,
    revision = 0,
  ): Promise<Read<Methods[M][2]>> {
    const until = Date.now() + this.#patienceMs;
    while (true) {
      try {
        return await this.attempt(method, request, revision);
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        if (writes.has(method) && error.executed === 'maybe')
          throw new OutcomeUnknownError(error.message, { cause: error });
        await this.regain(until, error);
      }
    }
  }

  /** Resolves when there is a member to go on with. Throws StoreUnavailableError when it is late. */
  async regain(until: number, cause: unknown): Promise<void> {
    await pause(pauseMs / 5); // a member that refuses one thing and answers another must not be asked without end
    if (this.#closed || Date.now() >= until) throw this.#unavailable(cause);
    await this.newest(until - Date.now());
  }

  watch(): WatchCall {
    return this.#current.watch();
  }

  /** The parts of a snapshot, its SHA-256 at the end. */
  async *snapshot(): AsyncIterable<Uint8Array> {
    await this.newest();
    const { endpoint } = this.#current;
    try {
      const parts = this.#current.snapshot() as AsyncIterable<Read<'SnapshotResponse'>>;
      for await (const { blob } of parts) yield blob;
    } catch (error) {
      const { details } = error as ServiceError;
      throw new Error(`etcd at ${endpoint}: ${details ?? (error as Error).message}`, { cause: error });
    }
  }

  close(): void {
    this.#closed = true;
    for (const { timer, reject } of this.#waiters.splice(0)) {
      clearTimeout(timer);
      reject(new StoreClosedError());
    }
    for (const member of this.#members) {
      member.abandon();
      member.close();
    }
  }
}
