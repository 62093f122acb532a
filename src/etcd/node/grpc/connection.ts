// HTTP/2 (RFC 9113) as far as gRPC needs it, from the server's side, over a socket. Node's own would do; it costs several times
// as much for a small request, and small requests are all that etcd's clients make.

import type { Duplex } from 'node:stream';
import { encodeHeaders, HeaderDecoder } from './hpack.ts';

const type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
};
const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 };
const setting = { concurrentStreams: 3, initialWindow: 4 };
const problem = { none: 0, protocol: 1, flowControl: 3, cancel: 8, enhanceYourCalm: 11 };
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const frameHeader = 9;
/** What both sides may send in a frame unless told: we tell nothing. */
const largestFrame = 16_384;
const largestHeaders = 1 << 16;
/** What a client may send of one message before we have taken it: more than the largest request. */
const streamWindow = 4 << 20;
const connectionWindow = 1 << 30;
/** etcd's own default of 1.5 MiB, and half a MiB for what is around it. */
const largestMessage = 2 << 20;
/** A larger one is not copied to have its frame around it. */
const smallMessage = 4096;
/** So much is put together for one write; more is given to the socket part by part. */
const oneWrite = 64 << 10;
/** What may wait for a client who does not read. */
const mostWaiting = 64 << 20;

/** One call, as its handler sees it. All callbacks come in order. */
export interface Call {
  /** A message of the client, without its frame. It stays as it is for as long as somebody has it. */
  onMessage: (message: Buffer) => void;
  /** The client has no more to say. */
  onEnd: () => void;
  /** The call is over without us: the client has gone, or has had enough. */
  onCancel: () => void;
  readonly cancelled: boolean;
  send(message: Uint8Array): void;
  /** Resolves when it is worth sending more. */
  drained(): Promise<void>;
  /** Sends a message, and ends the call well: the quick way. */
  answer(message: Uint8Array): void;
  /** Ends the call; 0 is OK. */
  end(status?: number, message?: string): void;
}

/** Finds what answers a path; undefined: nobody does. It sets the callbacks. */
export type Router = (path: string) => ((call: Call) => void) | undefined;

const responseHeaders = encodeHeaders({ ':status': '200', 'content-type': 'application/grpc' });
const okTrailers = encodeHeaders({ 'grpc-status': '0' });
const nothing = Buffer.alloc(0);

function writeFrameHeader(
  to: Buffer,
  at: number,
  length: number,
  kind: number,
  flags: number,
  stream: number,
): number {
  to[at] = length >>> 16;
  to[at + 1] = length >>> 8;
  to[at + 2] = length;
  to[at + 3] = kind;
  to[at + 4] = flags;
  writeUint32(to, at + 5, stream);
  return at + frameHeader;
}

function writeUint32(to: Buffer, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}
/** For places that are known to be there. */
const readUint32 = (from: Buffer, at: number): number =>
  ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;

function frame(kind: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeader + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, kind, flags, stream));
  return bytes;
}

/** The beginning of a frame whose payload follows by itself. */
function frameHead(kind: number, length: number, stream: number): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeader);
  writeFrameHeader(bytes, 0, length, kind, 0, stream);
  return bytes;
}

/** What stands before a message: it is not compressed, and so long. */
function messagePrefix(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(5);
  bytes[0] = 0;
  writeUint32(bytes, 1, length);
  return bytes;
}

/** Percent-encoded, as gRPC's messages of a status are. */
const messageText = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) =>
      byte >= 32 && byte < 127 && byte !== 37
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');

/** One call on a connection. */
class Stream implements Call {
  readonly id: number;
  readonly #connection: Connection;
  /** What we may still send. */
  window: number;
  /** Of the client's message, what has come of it. */
  #parts: Buffer[] = [];
  #have = 0;
  #taken = 0;
  #begun = false;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** The end that is to be sent behind what waits. */
  #trailers: Buffer | undefined;
  #over = false;
  #wake: (() => void)[] = [];
  cancelled = false;
  onMessage: (message: Buffer) => void = () => {};
  onEnd: () => void = () => {};
  onCancel: () => void = () => {};

  constructor(connection: Connection, id: number, window: number) {
    this.#connection = connection;
    this.id = id;
    this.window = window;
  }

  /** Bytes of the client. Messages are a byte (compressed or not), four bytes of length, and the message. */
  receive(bytes: Buffer): void {
    this.#taken += bytes.length;
    if (this.#taken > streamWindow / 2) {
      this.#connection.grant(this.id, this.#taken);
      this.#taken = 0;
    }
    if (!this.#have && bytes.length >= 5 && bytes.length === 5 + readUint32(bytes, 1)) {
      this.#message(bytes);
      return;
    }
    this.#parts.push(Buffer.from(bytes));
    this.#have += bytes.length;
    while (this.#have >= 5) {
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [all];
      const length = 5 + all.readUInt32BE(1);
      if (length > largestMessage) {
        this.end(8, `grpc: received message larger than max (${length - 5} vs. ${largestMessage})`);
        return;
      }
      if (all.length < length) return;
      this.#message(all.subarray(0, length));
      this.#parts = [all.subarray(length)];
      this.#have = all.length - length;
    }
  }
  #message(framed: Buffer): void {
    if (this.#over) return;
    if (framed[0]) this.end(12, 'compressed messages are not supported');
    else this.onMessage(framed.subarray(5));
  }

  send(message: Uint8Array): void {
    if (this.#over || this.#trailers) return;
    this.#begin();
    if (message.length > smallMessage) {
      this.#waiting.push(messagePrefix(message.length), message);
    } else {
      const framed = Buffer.allocUnsafe(5 + message.length);
      framed[0] = 0;
      writeUint32(framed, 1, message.length);
      framed.set(message, 5);
      this.#waiting.push(framed);
    }
    this.#waitingBytes += 5 + message.length;
    this.pump();
    if (this.#waitingBytes > mostWaiting) this.#connection.reset(this, problem.enhanceYourCalm);
  }
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#connection.write(frame(type.headers, flag.endHeaders, this.id, responseHeaders));
  }

  /** One answer, and the end: all in one piece where the windows allow. */
  answer(message: Uint8Array): void {
    const length = 5 + message.length;
    if (
      this.#over ||
      this.#begun ||
      length > largestFrame ||
      length > this.window ||
      !this.#connection.take(length)
    ) {
      this.send(message);
      this.end();
      return;
    }
    const bytes = Buffer.allocUnsafe(3 * frameHeader + responseHeaders.length + length + okTrailers.length);
    let at = writeFrameHeader(bytes, 0, responseHeaders.length, type.headers, flag.endHeaders, this.id);
    bytes.set(responseHeaders, at);
    at = writeFrameHeader(bytes, at + responseHeaders.length, length, type.data, 0, this.id);
    bytes[at] = 0;
    writeUint32(bytes, at + 1, message.length);
    bytes.set(message, at + 5);
    at = writeFrameHeader(
      bytes,
      at + length,
      okTrailers.length,
      type.headers,
      flag.endHeaders | flag.endStream,
      this.id,
    );
    bytes.set(okTrailers, at);
    this.#connection.write(bytes);
    this.#finish();
  }

  end(status = 0, message = ''): void {
    if (this.#over || this.#trailers) return;
    const trailers = status
      ? encodeHeaders({ 'grpc-status': String(status), 'grpc-message': messageText(message) })
      : okTrailers;
    if (!this.#begun) {
      this.#begun = true;
      const all = Buffer.concat([responseHeaders, trailers]);
      this.#connection.write(frame(type.headers, flag.endHeaders | flag.endStream, this.id, all));
      this.#finish();
      return;
    }
    this.#trailers = trailers;
    this.pump();
  }

  /** Sends what the windows allow. */
  pump(): void {
    while (this.#waiting.length) {
      const next = this.#waiting[0]!;
      const wanted = Math.min(next.length, largestFrame, this.window);
      const size = wanted > 0 ? this.#connection.takeSome(wanted) : 0;
      if (size <= 0) return;
      this.window -= size;
      this.#waitingBytes -= size;
      this.#connection.write(frameHead(type.data, size, this.id));
      this.#connection.write(next.subarray(0, size));
      if (size === next.length) this.#waiting.shift();
      else this.#waiting[0] = next.subarray(size);
    }
    for (const wake of this.#wake.splice(0)) wake();
    if (!this.#trailers) return;
    this.#connection.write(frame(type.headers, flag.endHeaders | flag.endStream, this.id, this.#trailers));
    this.#finish();
  }

  drained(): Promise<void> {
    if (this.#over || (!this.#waiting.length && !this.#connection.isFull)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake.push(resolve);
      this.#connection.onDrained(() => this.pump());
    });
  }

  #finish(): void {
    this.#over = true;
    this.#connection.forget(this.id);
    for (const wake of this.#wake.splice(0)) wake();
  }

  cancel(): void {
    if (this.#over) return;
    this.cancelled = true;
    this.#finish();
    this.onCancel();
  }
}

const flush = (connection: Connection): void => connection.flush();

export class Connection {
  readonly #socket: Duplex;
  readonly #route: Router;
  readonly #decoder = new HeaderDecoder();
  readonly #streams = new Map<number, Stream>();
  #held: Buffer = nothing;
  #prefaced = false;
  /** A header block that is not whole. */
  #block: { stream: number; flags: number; parts: Buffer[]; bytes: number } | undefined;
  #window = 65_535;
  #initialWindow = 65_535;
  #taken = 0;
  #newest = 0;
  #leaving = false;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #drainers: (() => void)[] = [];

  constructor(socket: Duplex, route: Router) {
    this.#socket = socket;
    this.#route = route;
    const settings = Buffer.alloc(6);
    settings.writeUInt16BE(setting.initialWindow, 0);
    settings.writeUInt32BE(streamWindow, 2);
    this.write(frame(type.settings, 0, 0, settings));
    this.grant(0, connectionWindow - 65_535);
    socket.on('data', (part: Buffer) => this.#receive(part));
    socket.on('drain', () => {
      for (const drained of this.#drainers.splice(0)) drained();
    });
    const over = () => {
      for (const stream of [...this.#streams.values()]) stream.cancel();
    };
    socket.on('close', over);
    socket.on('error', over); // the other side is gone: calls are cancelled, and that is all
    socket.on('end', () => socket.end());
  }

  /** What one turn of the event loop writes goes out together. */
  write(bytes: Uint8Array): void {
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#out.length === 1) process.nextTick(flush, this);
  }
  flush(): void {
    const [all, length] = [this.#out, this.#outBytes];
    this.#out = [];
    this.#outBytes = 0;
    if (!all.length || this.#socket.destroyed || this.#socket.writableEnded) return;
    if (all.length === 1) this.#socket.write(all[0]!);
    else if (length <= oneWrite) this.#socket.write(Buffer.concat(all, length));
    else {
      this.#socket.cork();
      for (const part of all) this.#socket.write(part);
      this.#socket.uncork();
    }
    // Nobody reads what the windows have allowed.
    if (this.#socket.writableLength > mostWaiting) this.#socket.destroy();
  }
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }
  onDrained(drained: () => void): void {
    this.#drainers.push(drained);
  }

  /** Takes `bytes` of the connection's window, all or nothing. */
  take(bytes: number): boolean {
    if (bytes > this.#window) return false;
    this.#window -= bytes;
    return true;
  }
  takeSome(most: number): number {
    const bytes = Math.min(most, this.#window);
    this.#window -= bytes;
    return bytes;
  }
  /** Lets the client send so much more; stream 0 is the connection. */
  grant(stream: number, bytes: number): void {
    const more = Buffer.alloc(4);
    more.writeUInt32BE(bytes);
    this.write(frame(type.window, 0, stream, more));
  }
  forget(id: number): void {
    this.#streams.delete(id);
    if (this.#leaving && !this.#streams.size) this.#socket.end();
  }
  reset(stream: Stream, why: number): void {
    const code = Buffer.alloc(4);
    code.writeUInt32BE(why);
    this.write(frame(type.reset, 0, stream.id, code));
    stream.cancel();
  }

  /** Takes no more calls, and ends when those that are under way have. */
  leave(): void {
    this.#leaving = true;
    this.#goAway(problem.none);
    if (!this.#streams.size) this.#socket.end();
  }
  destroy(): void {
    this.#socket.destroy();
  }
  #goAway(why: number): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#newest, 0);
    payload.writeUInt32BE(why, 4);
    this.write(frame(type.goAway, 0, 0, payload));
  }
  #fail(why: number): void {
    this.#goAway(why);
    this.flush();
    this.#socket.destroy();
  }

  #receive(part: Buffer): void {
    const bytes = this.#held.length ? Buffer.concat([this.#held, part]) : part;
    let at = 0;
    if (!this.#prefaced) {
      if (bytes.length < preface.length) {
        this.#held = Buffer.from(bytes);
        return;
      }
      if (bytes.toString('latin1', 0, preface.length) !== preface) {
        this.#fail(problem.protocol);
        return;
      }
      this.#prefaced = true;
      at = preface.length;
    }
    while (at + frameHeader <= bytes.length) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (length > largestFrame) {
        this.#fail(problem.protocol);
        return;
      }
      const end = at + frameHeader + length;
      if (end > bytes.length) break;
      const stream = readUint32(bytes, at + 5) & 0x7fff_ffff;
      try {
        this.#frame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(at + frameHeader, end));
      } catch (error) {
        // What cannot be read leaves the connection in an unknown state; what a handler throws is ours to mend.
        if (!(error instanceof RangeError)) throw error;
        this.#fail(problem.protocol);
        return;
      }
      at = end;
    }
    this.#held = at < bytes.length ? Buffer.from(bytes.subarray(at)) : nothing;
  }

  #frame(kind: number, flags: number, id: number, payload: Buffer): void {
    if (this.#block && kind !== type.continuation) throw new RangeError('a header block is not whole');
    if (kind === type.data) this.#data(flags, id, payload);
    else if (kind === type.headers) {
      const more = flags & flag.priority ? unpadded(flags, payload).subarray(5) : unpadded(flags, payload);
      if (flags & flag.endHeaders) this.#open(id, flags, more);
      else this.#block = { stream: id, flags, parts: [Buffer.from(more)], bytes: more.length };
    } else if (kind === type.continuation) {
      if (this.#block?.stream !== id) throw new RangeError('a header block goes on that was not begun');
      this.#block.parts.push(Buffer.from(payload));
      this.#block.bytes += payload.length;
      if (this.#block.bytes > largestHeaders) throw new RangeError('a header block is too long');
      if (flags & flag.endHeaders) {
        const { parts, flags: first } = this.#block;
        this.#block = undefined;
        this.#open(id, first, Buffer.concat(parts));
      }
    } else if (kind === type.reset) this.#streams.get(id)?.cancel();
    else if (kind === type.settings) this.#settings(flags, payload);
    else if (kind === type.ping && !(flags & flag.ack)) this.write(frame(type.ping, flag.ack, 0, payload));
    else if (kind === type.window) this.#widen(id, payload.readUInt32BE(0) & 0x7fff_ffff);
    else if (kind === type.push) throw new RangeError('a client cannot push');
    // Priorities, and frames that are not known, mean nothing to us.
  }

  #data(flags: number, id: number, payload: Buffer): void {
    this.#taken += payload.length;
    if (this.#taken > connectionWindow / 4) {
      this.grant(0, this.#taken);
      this.#taken = 0;
    }
    const stream = this.#streams.get(id);
    if (!stream && id > this.#newest) throw new RangeError('a stream has data and no beginning');
    if (!stream) return;
    const bytes = unpadded(flags, payload);
    if (bytes.length) stream.receive(bytes);
    if (flags & flag.endStream) stream.onEnd();
  }

  #open(id: number, flags: number, block: Buffer): void {
    const headers = this.#decoder.decode(block);
    const known = this.#streams.get(id);
    if (known) {
      // Trailers of a client: gRPC has none, and this is its end.
      if (flags & flag.endStream) known.onEnd();
      return;
    }
    if (!(id & 1) || id <= this.#newest) throw new RangeError('a stream has a wrong number');
    this.#newest = id;
    const stream = new Stream(this, id, this.#initialWindow);
    this.#streams.set(id, stream);
    const path = headers.get(':path') ?? '';
    const begin = this.#leaving ? undefined : this.#route(path);
    if (!headers.get('content-type')?.startsWith('application/grpc')) {
      this.write(
        frame(type.headers, flag.endHeaders | flag.endStream, id, encodeHeaders({ ':status': '415' })),
      );
      stream.cancel();
    } else if (begin) begin(stream);
    else if (this.#leaving) stream.end(14, 'the server is stopping');
    else stream.end(12, `unknown method ${path}`);
    if (flags & flag.endStream) stream.onEnd();
  }

  #settings(flags: number, payload: Buffer): void {
    if (flags & flag.ack) return;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== setting.initialWindow) continue;
      const window = payload.readUInt32BE(at + 2);
      const more = window - this.#initialWindow;
      this.#initialWindow = window;
      for (const stream of this.#streams.values()) stream.window += more;
    }
    this.write(frame(type.settings, flag.ack, 0, nothing));
    this.#pump();
  }
  #widen(id: number, more: number): void {
    if (id) {
      const stream = this.#streams.get(id);
      if (!stream) return;
      stream.window += more;
      stream.pump();
      return;
    }
    this.#window += more;
    if (this.#window > 0x7fff_ffff) throw new RangeError('the window is too wide');
    this.#pump();
  }
  #pump(): void {
    for (const stream of [...this.#streams.values()]) stream.pump();
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  if (!(flags & flag.padded)) return payload;
  const padding = payload[0] ?? 0;
  if (padding >= payload.length) throw new RangeError('a frame has more padding than it is long');
  return payload.subarray(1, payload.length - padding);
}
