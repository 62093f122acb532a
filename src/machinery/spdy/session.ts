// A SPDY/3.1 connection as Kubernetes uses it: streams that are opened with headers, written by both sides and half-closed.
// Source: "SPDY Protocol - Draft 3.1"; the peers are Go programs (moby/spdystream).
//
// Three ways of theirs that shape this: they drop data that comes before they have replied to the stream, so writes wait
// for the reply; they never send WINDOW_UPDATE, so windows do not hold back what we write, and the transport alone does;
// and when a server is done it resets its streams rather than ending them, so a reset is an end too.
import { encodeFrame, type Frame, FrameReader, ResetCode } from './frames.ts';
import { decodeHeaders, HeaderWriter, type Inflate, type SpdyHeaders } from './headers.ts';

/** What happens on a stream. The connection is not read on before the promise of `data` settles. */
export interface StreamHandlers {
  data?(bytes: Uint8Array): void | Promise<void>;
  /** The peer will send no more: it ended the stream (`ended`), reset it, or the connection is gone. Called once. */
  end?(how: 'ended' | 'reset' | 'gone'): void;
}

export interface SpdyOptions {
  role: 'client' | 'server';
  /** Writes to the transport; a promise holds the writers back until it settles. */
  send(bytes: Uint8Array): void | Promise<void>;
  /** Reads the peer's headers. A client that accepts no streams can do without. */
  inflate?: Inflate;
  /** The peer opens a stream: gives its handlers, or undefined to refuse it. */
  accept?(stream: SpdyStream): StreamHandlers | undefined;
}

/** Peers that count what they may send get this much at once, and the same again when they used half of it. */
const windowBytes = 1 << 30;
const dataFrameBytes = 32 * 1024;

export class SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** Resolves with true when the peer has accepted the stream, with false when it will not any more. */
  readonly opened: Promise<boolean>;
  readonly #session: SpdySession;
  #settle!: (accepted: boolean) => void;
  #written = false;
  #read = false;
  handlers: StreamHandlers = {};
  received = 0;

  constructor(session: SpdySession, id: number, headers: SpdyHeaders) {
    this.#session = session;
    this.id = id;
    this.headers = headers;
    this.opened = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** False when the stream cannot be written any more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (!(await this.opened)) return false;
    for (let at = 0; at < bytes.length && !this.#written; at += dataFrameBytes) {
      const part = bytes.subarray(at, at + dataFrameBytes);
      await this.#session.send({ type: 'data', stream: this.id, fin: false, bytes: part });
    }
    return !this.#written;
  }

  /** Says that we write no more. */
  async end(): Promise<void> {
    if (!(await this.opened) || this.#written) return;
    this.#written = true;
    await this.#session.send({ type: 'data', stream: this.id, fin: true, bytes: new Uint8Array(0) });
    this.#leave();
  }

  async reset(code: number = ResetCode.cancel): Promise<void> {
    if (this.#written && this.#read) return;
    await this.#session.send({ type: 'rstStream', stream: this.id, code });
    this.over('reset');
  }

  accepted(): void {
    this.#settle(true);
  }

  /** Nothing more goes in either direction. */
  over(how: 'reset' | 'gone'): void {
    this.#written = true;
    this.#settle(false);
    this.readEnd(how);
  }

  readEnd(how: 'ended' | 'reset' | 'gone'): void {
    if (!this.#read) {
      this.#read = true;
      this.handlers.end?.(how);
    }
    this.#leave();
  }

  get readable(): boolean {
    return !this.#read;
  }

  #leave(): void {
    if (this.#written && this.#read) this.#session.forget(this);
  }
}

export class SpdySession {
  readonly #options: SpdyOptions;
  readonly #reader = new FrameReader();
  readonly #headers = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #pings = new Map<number, () => void>();
  #nextStream: number;
  #nextPing: number;
  #lastAccepted = 0;
  #received = 0;
  #greeted = false;
  #gone = false;

  constructor(options: SpdyOptions) {
    this.#options = options;
    this.#nextStream = this.#nextPing = options.role === 'client' ? 1 : 2;
  }

  get streams(): number {
    return this.#streams.size;
  }

  get gone(): boolean {
    return this.#gone;
  }

  open(headers: SpdyHeaders, handlers: StreamHandlers = {}): SpdyStream {
    const stream = new SpdyStream(this, this.#nextStream, headers);
    stream.handlers = handlers;
    if (this.#gone) {
      stream.over('gone');
      return stream;
    }
    this.#nextStream += 2;
    this.#streams.set(stream.id, stream);
    const block = this.#headers.write(headers);
    void this.send({ type: 'synStream', stream: stream.id, fin: false, block });
    return stream;
  }

  /** Resolves when the peer has answered, or the connection is gone. */
  ping(): Promise<void> {
    const id = this.#nextPing;
    this.#nextPing += 2;
    return new Promise((resolve) => {
      if (this.#gone) return resolve();
      this.#pings.set(id, resolve);
      void this.send({ type: 'ping', id });
    });
  }

  /** Tells the peer that we open and accept no more streams. */
  goAway(): void | Promise<void> {
    return this.send({ type: 'goAway', lastStream: this.#lastAccepted, code: 0 });
  }

  send(frame: Frame): void | Promise<void> {
    if (this.#gone) return;
    if (!this.#greeted) {
      this.#greeted = true;
      void this.#options.send(encodeFrame({ type: 'settings', initialWindow: windowBytes }));
      void this.#options.send(encodeFrame({ type: 'windowUpdate', stream: 0, delta: windowBytes }));
    }
    return this.#options.send(encodeFrame(frame));
  }

  /** Bytes from the transport. Call again only when it has resolved. Rejects when they are not SPDY: then close. */
  async receive(chunk: Uint8Array): Promise<void> {
    for (const frame of this.#reader.read(chunk)) {
      const waiting = this.#take(frame);
      if (waiting) await waiting;
    }
  }

  /** The transport is closed. */
  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const stream of [...this.#streams.values()]) stream.over('gone');
    for (const answered of this.#pings.values()) answered();
    this.#pings.clear();
  }

  forget(stream: SpdyStream): void {
    this.#streams.delete(stream.id);
  }

  #take(frame: Frame): void | Promise<void> {
    switch (frame.type) {
      case 'data':
        return this.#data(frame);
      case 'synStream':
        return this.#incoming(frame);
      case 'synReply':
        return this.#reply(frame);
      case 'headers':
        return this.#moreHeaders(frame);
      case 'rstStream':
        return this.#streams.get(frame.stream)?.over('reset');
      case 'ping': {
        if (frame.id % 2 !== this.#nextPing % 2) return this.send(frame);
        this.#pings.get(frame.id)?.();
        this.#pings.delete(frame.id);
        return;
      }
      // Windows of peers do not hold us back, and a peer that goes away closes the connection when its streams are done.
      case 'settings':
      case 'windowUpdate':
      case 'goAway':
        return;
    }
  }

  async #data({ stream: id, fin, bytes }: Extract<Frame, { type: 'data' }>): Promise<void> {
    const stream = this.#streams.get(id);
    this.#received += bytes.length;
    if (this.#received >= windowBytes / 2) {
      await this.send({ type: 'windowUpdate', stream: 0, delta: this.#received });
      this.#received = 0;
    }
    if (!stream?.readable) {
      if (!stream) await this.send({ type: 'rstStream', stream: id, code: ResetCode.invalidStream });
      return;
    }
    if (bytes.length) await stream.handlers.data?.(bytes);
    stream.received += bytes.length;
    if (stream.received >= windowBytes / 2 && !fin) {
      await this.send({ type: 'windowUpdate', stream: id, delta: stream.received });
      stream.received = 0;
    }
    if (fin) stream.readEnd('ended');
  }

  async #incoming({ stream: id, fin, block }: Extract<Frame, { type: 'synStream' }>): Promise<void> {
    const { inflate, accept, role } = this.#options;
    const headers = inflate ? decodeHeaders(await inflate(block)) : {};
    const theirs = id % 2 === (role === 'client' ? 0 : 1);
    if (!theirs || id <= this.#lastAccepted)
      return this.send({ type: 'rstStream', stream: id, code: ResetCode.protocolError });
    this.#lastAccepted = id;
    const stream = new SpdyStream(this, id, headers);
    const handlers = accept?.(stream);
    if (!handlers) return this.send({ type: 'rstStream', stream: id, code: ResetCode.refusedStream });
    stream.handlers = handlers;
    this.#streams.set(id, stream);
    await this.send({ type: 'synReply', stream: id, fin: false, block: this.#headers.write({}) });
    stream.accepted();
    if (fin) stream.readEnd('ended');
  }

  async #reply({ stream: id, fin, block }: Extract<Frame, { type: 'synReply' }>): Promise<void> {
    if (this.#options.inflate) await this.#options.inflate(block);
    const stream = this.#streams.get(id);
    stream?.accepted();
    if (fin) stream?.readEnd('ended');
  }

  async #moreHeaders({ stream: id, fin, block }: Extract<Frame, { type: 'headers' }>): Promise<void> {
    if (this.#options.inflate) await this.#options.inflate(block);
    if (fin) this.#streams.get(id)?.readEnd('ended');
  }
}
