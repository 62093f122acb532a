// A gRPC client that costs little: HTTP/2 over one socket for each connection, requests made of bytes that are encoded once.
// What it measures is the server. It reads no headers but to see that an answer ended, and how.
import { connect, type Socket } from 'node:net';

const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 };
const endStream = 1;
const endHeaders = 4;
const ack = 1;

function frameOf(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** A header that is not indexed, its name and value as they are. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);

/** `:method POST`, `:scheme http` by their places in the static table, and the rest. */
const headersOf = (path: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x86]),
    literal(':path', path),
    literal(':authority', 'localhost'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
  ]);

interface Waiting {
  done: (message: Buffer) => void;
  fail: (error: Error) => void;
  parts: Buffer[];
}

export class GrpcLoad {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #window = 65_535;
  #queue: Buffer[] = [];
  #out: Buffer[] = [];
  #flushing = false;
  #held = Buffer.alloc(0);
  #received = 0;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const settings = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]); // streams may send what they want
    const wide = Buffer.alloc(4);
    wide.writeUInt32BE(0x7fff_0000 - 65_535);
    this.#write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
    this.#write(frameOf(frame.settings, 0, 0, settings));
    this.#write(frameOf(frame.windowUpdate, 0, 0, wide));
    this.#socket.on('data', (part: Buffer) => this.#receive(part));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection is closed')));
  }

  #fail(error: Error): void {
    for (const one of this.#waiting.values()) one.fail(error);
    this.#waiting.clear();
  }

  /** What one turn writes goes out together. */
  #write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      const all = this.#out;
      this.#out = [];
      this.#socket.write(all.length === 1 ? all[0]! : Buffer.concat(all));
    });
  }

  /** `message` is encoded; resolves with the answer's message. */
  call(headers: Buffer, message: Uint8Array): Promise<Buffer> {
    const id = this.#next;
    this.#next += 2;
    const body = Buffer.allocUnsafe(5 + message.length);
    body[0] = 0;
    body.writeUInt32BE(message.length, 1);
    body.set(message, 5);
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail, parts: [] });
      this.#write(frameOf(frame.headers, endHeaders, id, headers));
      this.#queue.push(frameOf(frame.data, endStream, id, body));
      this.#drain();
    });
  }

  #drain(): void {
    while (this.#queue.length && this.#queue[0]!.length - 9 <= this.#window) {
      const data = this.#queue.shift()!;
      this.#window -= data.length - 9;
      this.#write(data);
    }
  }

  #receive(part: Buffer): void {
    let bytes = this.#held.length ? Buffer.concat([this.#held, part]) : part;
    let at = 0;
    while (at + 9 <= bytes.length) {
      const length = bytes.readUIntBE(at, 3);
      if (at + 9 + length > bytes.length) break;
      this.#frame(
        bytes[at + 3]!,
        bytes[at + 4]!,
        bytes.readUInt32BE(at + 5),
        bytes.subarray(at + 9, at + 9 + length),
      );
      at += 9 + length;
    }
    this.#held = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0);
    bytes = this.#held;
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === frame.data) {
      this.#waiting.get(stream)?.parts.push(Buffer.from(payload));
      this.#received += payload.length;
      if (this.#received > 1 << 24) {
        const more = Buffer.alloc(4);
        more.writeUInt32BE(this.#received);
        this.#write(frameOf(frame.windowUpdate, 0, 0, more));
        this.#received = 0;
      }
    } else if (type === frame.settings && !(flags & ack))
      this.#write(frameOf(frame.settings, ack, 0, Buffer.alloc(0)));
    else if (type === frame.ping && !(flags & ack))
      this.#write(frameOf(frame.ping, ack, 0, Buffer.from(payload)));
    else if (type === frame.windowUpdate && stream === 0) {
      this.#window += payload.readUInt32BE(0);
      this.#drain();
    } else if (type === frame.goAway) this.#fail(new Error('the server goes away'));
    const one = this.#waiting.get(stream);
    if (!one) return;
    if (type === frame.reset) one.fail(new Error('the server has cut the stream'));
    else if (!(flags & endStream) || (type !== frame.headers && type !== frame.data)) return;
    else if (!one.parts.length) one.fail(new Error(`refused: ${payload.toString('latin1')}`));
    else one.done(Buffer.concat(one.parts).subarray(5));
    this.#waiting.delete(stream);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }
}

export { headersOf };
