import type { Connection } from './connection.ts';
import {
  flag,
  frame,
  frameHead,
  frameHeader,
  largestFrame,
  problem,
  readUint32,
  type,
  writeFrameHeader,
  writeUint32,
} from './frames.ts';
import { encodeHeaders } from './hpack.ts';

/** What a client may send of one message before we have taken it: more than the largest request. */
export const streamWindow = 4 << 20;
/** etcd's own default of 1.5 MiB, and half a MiB for what is around it. */
const largestMessage = 2 << 20;
/** A larger one is not copied to have its frame around it. */
const smallMessage = 4096;
/** What may wait for a client who does not read. */
export const mostWaiting = 64 << 20;

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

const responseHeaders = encodeHeaders({ ':status': '200', 'content-type': 'application/grpc' });
const okTrailers = encodeHeaders({ 'grpc-status': '0' });
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
export class Stream implements Call {
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
