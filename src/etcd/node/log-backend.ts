import {
  closeSync,
  constants,
  fdatasyncSync,
  ftruncate,
  ftruncateSync,
  openSync,
  renameSync,
  write,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import {
  type Backend,
  type Change,
  type LeaseRecord,
  NothingWrittenError,
  type Revision,
} from '../backend.ts';
import type { Version } from '../key-index.ts';
import { cleaned, toClean } from './log-clean.ts';
import {
  closeFrame,
  closeFrames,
  compactFrame,
  encodeHeader,
  leaseFrame,
  measure,
  sealFrame,
  stateFrame,
  writeRevisions,
} from './log-frame.ts';
import { loadLog } from './log-load.ts';
import { Segment, segmentPath, syncDirectory } from './log-segment.ts';
import { Pace } from './pace.ts';
import { readWitness, Witness } from './witness.ts';

export interface LogOptions {
  /** How long a file of the log gets. */
  segmentBytes?: number;
  /** How much of a file is made ready ahead: a write into what is ready is faster than one that makes a file longer. */
  readyBytes?: number;
  /** For tests: what is called in place of write(2), and never waited for. */
  write?: WriteAt;
  /** A write that takes no longer is waited for by the event loop, in milliseconds. */
  quickMs?: number;
}

type WriteAt = (
  fd: number,
  bytes: Buffer,
  at: number,
  done: (error: Error | null, written: number) => void,
) => void;

/** The segment that is written to, its file (every write is flushed), and how far that file is made ready. */
interface Active {
  segment: Segment;
  fd: number;
  ready: number;
}

/** Larger batches get memory of their own. */
const mostRoom = 1 << 20;
/** So few are read one by one. */
const fewVersions = 16;

const plainWrite: WriteAt = (fd, bytes, at, done) => write(fd, bytes, 0, bytes.length, at, done);
const truncate = promisify<number, number>(ftruncate);
/** Of which nothing is left when the file is cut to what it was: the disk, a quota, or a limit is reached. */
const noSpace = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/**
 * Revisions in a log: segments of a few megabytes, each written from front to end and then never again, until cleaning
 * writes what is left of it anew. Every write is flushed before it is acknowledged. The order of the log is the order of
 * revisions. `log-frame.ts` has the format.
 */
export class LogBackend implements Backend {
  readonly #dir: string;
  readonly #limit: number;
  readonly #ready: number;
  readonly #write: WriteAt;
  readonly #release: () => void;
  #witness: Witness | undefined;
  readonly #segments = new Map<number, Segment>();
  #active: Active | undefined;
  #newest = 0;
  #revision = 1;
  #compacted = 0;
  /** As `#compacted`, and what that forgets is noted in the segments. */
  #dropped = 0;
  #leases = new Map<number, LeaseRecord>();
  #turn: Promise<unknown> = Promise.resolve();
  #preparing: Promise<void> | undefined;
  #cleaning: Promise<void> = Promise.resolve();
  #cleaningFailure: Error | undefined;
  /** A write failed, and nobody knows what of it is there: there is no other. */
  #failure: Error | undefined;
  #closed = false;
  /** What a write takes, of late. */
  readonly #pace: Pace;
  /** What batches are put together in, one after the other. */
  #room = Buffer.alloc(0);

  constructor(dir: string, release: () => void, options: LogOptions = {}) {
    this.#dir = dir;
    this.#release = release;
    this.#limit = options.segmentBytes ?? 16 << 20;
    this.#ready = options.readyBytes ?? 1 << 20;
    this.#write = options.write ?? plainWrite;
    this.#pace = new Pace(options.write ? 0 : options.quickMs);
  }

  load(add: (version: Version) => void) {
    const { segments, sealed, ...found } = loadLog(this.#dir, readWitness(this.#dir), add);
    this.#witness = new Witness(this.#dir);
    this.#revision = found.revision;
    this.#compacted = this.#dropped = found.compactRevision;
    this.#leases = found.leases;
    for (const segment of segments) this.#segments.set(segment.number, segment);
    const newest = segments.at(-1);
    this.#newest = newest?.last ?? 0;
    if (newest && !sealed) {
      const fd = openFlushing(newest.path);
      // A write that was cut off, or what was made ready.
      ftruncateSync(fd, newest.end);
      // What a killed process had written, and nobody had flushed, is shown from now on.
      fdatasyncSync(fd);
      this.#active = { segment: newest, fd, ready: this.#pace.probe(fd, newest.end) };
      this.#note();
    }
    if (!newest) this.#begin();
    return {
      revision: found.revision,
      compactRevision: found.compactRevision,
      leases: [...found.leases.values()],
    };
  }

  #note(): void {
    const { segment } = this.#active!;
    this.#witness!.note({ segment: segment.number, end: segment.end, revision: this.#revision });
  }

  /** One write after the other. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => {
      if (this.#failure) throw this.#failure;
      return work();
    });
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Where the event loop waits for writes, one for all that this turn of it brings. */
  gathered(): Promise<void> | undefined {
    return this.#pace.isQuick ? new Promise((resolve) => setImmediate(resolve)) : undefined;
  }

  append(batch: Revision[]): Promise<void> {
    return this.#next(async () => {
      const length = measure(batch);
      if (length > this.#room.length && length <= mostRoom) this.#room = Buffer.allocUnsafeSlow(2 * length);
      const bytes = length > mostRoom ? Buffer.allocUnsafe(length) : this.#room.subarray(0, length);
      writeRevisions(bytes, batch);
      const segment = await this.#append(bytes);
      const at = segment.end - length;
      for (const { versions } of batch) {
        for (const version of versions) {
          version.segment = segment.number;
          version.offset += at;
          segment.hold(version);
        }
      }
      this.#revision = batch.at(-1)!.revision;
      this.#note();
    });
  }

  /** Closes frames, writes them behind the others and flushes them; returns the segment that has them at its end. */
  async #append(frames: Buffer): Promise<Segment> {
    const full = (this.#active?.segment.end ?? 0) + frames.length > this.#limit;
    if (!this.#active || (full && this.#active.segment.end > this.#limit / 2)) await this.#rotate();
    const active = this.#active!;
    await this.#put(active, frames);
    return active.segment;
  }

  async #put(active: Active, frames: Buffer): Promise<void> {
    const { segment, fd } = active;
    const checksum = closeFrames(frames, segment.checksum);
    const end = segment.end + frames.length;
    // What is being made ready is zeros: they must not come over this.
    if (end > active.ready) await this.#preparing;
    try {
      await this.#writeAll(fd, frames, segment.end);
    } catch (error) {
      await this.#takeBack(active, error as NodeJS.ErrnoException);
    }
    segment.end = end;
    segment.checksum = checksum;
    active.ready = Math.max(active.ready, end);
    if (active.ready - end < this.#ready / 2) this.#prepare(active);
  }

  async #writeAll(fd: number, bytes: Buffer, at: number): Promise<void> {
    while (bytes.length) {
      const began = performance.now();
      const written = this.#pace.isQuick
        ? writeSync(fd, bytes, 0, bytes.length, at)
        : await new Promise<number>((done, fail) =>
            this.#write(fd, bytes, at, (error, n) => (error ? fail(error) : done(n))),
          );
      this.#pace.note(performance.now() - began);
      bytes = bytes.subarray(written);
      at += written;
    }
  }

  /** Cuts off what a failed write may have left. Throws what the write's failure means to who asked for it. */
  async #takeBack(active: Active, error: NodeJS.ErrnoException): Promise<never> {
    const { path, end } = active.segment;
    if (!noSpace.includes(error.code ?? '')) {
      this.#failure = new Error(`${path} could not be written (${error.message})`, { cause: error });
      throw this.#failure;
    }
    await this.#preparing;
    try {
      await truncate(active.fd, end);
      fdatasyncSync(active.fd);
    } catch (failure) {
      this.#failure = failure as Error;
      throw failure;
    }
    active.ready = end;
    throw new NothingWrittenError(
      `the disk of ${path} is full: nothing was written; free some space, and go on`,
      { cause: error },
    );
  }

  /** Makes more of the file ready, beside what else is done. It is a matter of speed: a failure changes nothing. */
  #prepare(active: Active): void {
    const more = Math.min(this.#ready, this.#limit - active.ready);
    if (this.#preparing || more <= 0 || this.#closed) return;
    const from = active.ready;
    this.#preparing = prepared(active.segment.path, from, more).then((done) => {
      this.#preparing = undefined;
      if (done && active.ready >= from) active.ready = Math.max(active.ready, from + more);
    });
  }

  /** Seals the newest segment, and begins another. */
  async #rotate(): Promise<void> {
    if (this.#active) {
      const { segment, fd } = this.#active;
      await this.#preparing;
      await this.#put(this.#active, sealFrame());
      await this.#preparing;
      this.#active = undefined;
      ftruncateSync(fd, segment.end);
      closeSync(fd);
    }
    this.#begin();
  }

  /** Makes the next segment, with the state that stands before it. */
  #begin(): void {
    const number = this.#newest + 1;
    const path = segmentPath(this.#dir, number);
    const header = { number, last: number, cleanedAt: 0 };
    const { bytes, checksum } = encodeHeader(header);
    const state = stateFrame(this.#revision, this.#compacted, [...this.#leases.values()]);
    const end = bytes.length + state.length;
    const sum = closeFrame(state, checksum);
    try {
      writeFileSync(`${path}.new`, Buffer.concat([bytes, state]), { mode: 0o600, flush: true });
    } catch (error) {
      if (!noSpace.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      throw new NothingWrittenError(
        `the disk of ${path} is full: nothing was written; free some space, and go on`,
        { cause: error },
      );
    }
    renameSync(`${path}.new`, path);
    syncDirectory(this.#dir);
    const segment = new Segment(path, header, end, sum);
    this.#segments.set(number, segment);
    this.#newest = number;
    const fd = openFlushing(path);
    this.#active = { segment, fd, ready: number === 1 ? this.#pace.probe(fd, end) : end };
    this.#note();
  }

  read(version: Version): Change | undefined {
    return version.size ? this.#segments.get(version.segment)!.read(version) : undefined;
  }

  readAll(versions: Version[]): (Change | undefined)[] {
    if (versions.length < fewVersions) return versions.map((version) => this.read(version));
    const found = new Map<Version, Change>();
    const bySegment = Map.groupBy(
      versions.filter((version) => version.size),
      (version) => version.segment,
    );
    for (const [number, mine] of bySegment) this.#segments.get(number)!.readAll(mine, found);
    return versions.map((version) => found.get(version));
  }

  async compact(revision: number, dropped: Version[]): Promise<void> {
    const failure = this.#cleaningFailure;
    this.#cleaningFailure = undefined;
    if (revision > this.#compacted) {
      await this.#next(async () => {
        await this.#append(compactFrame(revision));
        this.#compacted = revision;
        this.#note();
      });
    }
    const touched = new Set<Segment>();
    for (const version of dropped) {
      const segment = this.#segments.get(version.segment)!;
      segment.drop(version);
      touched.add(segment);
    }
    for (const segment of touched) segment.versions = segment.versions.filter((v) => v.size);
    this.#dropped = revision;
    if (dropped.length) void this.clean();
    if (failure) throw failure;
  }

  /** Gives the disk back what is forgotten; resolves when that is done. The next compaction tells of a failure. */
  clean(): Promise<void> {
    this.#cleaning = this.#cleaning.then(async () => {
      try {
        while (!this.#closed) {
          // The newest is still written to, or has what is known of leases.
          const sealed = [...this.#segments.values()].sort((a, b) => a.number - b.number).slice(0, -1);
          const chosen = toClean(sealed, this.#dropped, this.#limit);
          if (!chosen) return;
          await cleaned(this.#dir, chosen, this.#dropped, (segment) => {
            for (const old of chosen.run) {
              this.#segments.delete(old.number);
              old.close();
            }
            this.#segments.set(segment.number, segment);
          });
        }
      } catch (error) {
        if (!noSpace.includes((error as NodeJS.ErrnoException).code ?? ''))
          this.#cleaningFailure = error as Error;
      }
    });
    return this.#cleaning;
  }

  putLease(lease: LeaseRecord): Promise<void> {
    return this.#next(async () => {
      await this.#append(leaseFrame(lease));
      this.#leases.set(lease.id, lease);
      this.#note();
    });
  }
  removeLease(id: number): Promise<void> {
    return this.#next(async () => {
      await this.#append(leaseFrame({ id, ttlSeconds: 0 }));
      this.#leases.delete(id);
      this.#note();
    });
  }

  leases(): LeaseRecord[] {
    return [...this.#leases.values()];
  }

  bytes() {
    let [total, inUse] = [0, 0];
    for (const { end, live } of this.#segments.values()) {
      total += end;
      inUse += live;
    }
    return { total, inUse };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await this.#preparing;
    await this.#cleaning;
    if (this.#active) {
      const { fd, segment } = this.#active;
      ftruncateSync(fd, segment.end);
      closeSync(fd);
    }
    this.#active = undefined;
    for (const segment of this.#segments.values()) segment.close();
    this.#witness?.close();
    this.#release();
  }
}

/** A write to it returns when the bytes are on disk. */
const openFlushing = (path: string): number => openSync(path, constants.O_RDWR | constants.O_DSYNC);

const zeros = Buffer.alloc(1 << 18);

/** Writes zeros. Resolves with whether it could be done: without, writes go on as long as there is any room. */
async function prepared(path: string, from: number, bytes: number): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r+');
    for (let at = 0; at < bytes; at += zeros.length)
      await file.write(zeros, 0, Math.min(zeros.length, bytes - at), from + at);
    await file.datasync();
    return true;
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
