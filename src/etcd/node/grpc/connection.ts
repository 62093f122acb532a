// HTTP/2 (RFC 9113) as far as gRPC needs it, from the server's side, over a socket. Node's own would do; it costs several times
// as much for a small request, and small requests are all that etcd's clients make.

import type { Duplex } from 'node:stream';
import {
  flag,
  frame,
  frameHeader,
  largestFrame,
  problem,
  readUint32,
  setting,
  type,
  unpadded,
} from './frames.ts';
import { encodeHeaders, HeaderDecoder } from './hpack.ts';
import { type Call, mostWaiting, Stream, streamWindow } from './stream.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const largestHeaders = 1 << 16;
const connectionWindow = 1 << 30;
/** So much is put together for one write; more is given to the socket part by part. */
const oneWrite = 64 << 10;

/** Finds what answers a path; undefined: nobody does. It sets the callbacks. */
export type Router = (path: string) => ((call: Call) => void) | undefined;

const nothing = Buffer.alloc(0);

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
