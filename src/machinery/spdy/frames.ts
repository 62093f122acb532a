// Frames of SPDY/3.1. Source: "SPDY Protocol - Draft 3.1".
//
//   data     0 stream(31)                 flags(8) length(24)  bytes
//   control  1 version(15) type(16)       flags(8) length(24)  fields

export type Frame =
  | { type: 'data'; stream: number; fin: boolean; bytes: Uint8Array }
  | { type: 'synStream'; stream: number; fin: boolean; block: Uint8Array }
  | { type: 'synReply'; stream: number; fin: boolean; block: Uint8Array }
  | { type: 'headers'; stream: number; fin: boolean; block: Uint8Array }
  | { type: 'rstStream'; stream: number; code: number }
  | { type: 'settings'; initialWindow: number | undefined }
  | { type: 'ping'; id: number }
  | { type: 'goAway'; lastStream: number; code: number }
  | { type: 'windowUpdate'; stream: number; delta: number };

/** Why a stream is reset. */
export const ResetCode = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
} as const;

/** What comes is not SPDY/3.1: the connection cannot go on. */
export class SpdyError extends Error {}

const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
};
const version = 3;
const finFlag = 1;
const initialWindowId = 7;
const headBytes = 8;
/** A header block is some hundred bytes. */
const maxControlBytes = 1 << 16;

function control(type: keyof typeof types, flags: number, numbers: number[], block?: Uint8Array): Uint8Array {
  const length = numbers.length * 4 + (block?.length ?? 0);
  const out = new Uint8Array(headBytes + length);
  const view = new DataView(out.buffer);
  view.setUint16(0, 0x8000 | version);
  view.setUint16(2, types[type]);
  view.setUint32(4, ((flags << 24) | length) >>> 0);
  for (const [i, number] of numbers.entries()) view.setUint32(headBytes + i * 4, number);
  if (block) out.set(block, headBytes + numbers.length * 4);
  return out;
}

/** Bytes of a data frame must be fewer than 2^24. */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'data': {
      const out = new Uint8Array(headBytes + frame.bytes.length);
      const view = new DataView(out.buffer);
      view.setUint32(0, frame.stream);
      view.setUint32(4, (((frame.fin ? finFlag : 0) << 24) | frame.bytes.length) >>> 0);
      out.set(frame.bytes, headBytes);
      return out;
    }
    case 'synStream': {
      // After the two numbers come priority and slot, 16 bits of zero.
      const block = new Uint8Array(2 + frame.block.length);
      block.set(frame.block, 2);
      return control('synStream', frame.fin ? finFlag : 0, [frame.stream, 0], block);
    }
    case 'synReply':
    case 'headers':
      return control(frame.type, frame.fin ? finFlag : 0, [frame.stream], frame.block);
    case 'rstStream':
      return control('rstStream', 0, [frame.stream, frame.code]);
    case 'settings':
      return frame.initialWindow === undefined
        ? control('settings', 0, [0])
        : control('settings', 0, [1, initialWindowId, frame.initialWindow]);
    case 'ping':
      return control('ping', 0, [frame.id]);
    case 'goAway':
      return control('goAway', 0, [frame.lastStream, frame.code]);
    case 'windowUpdate':
      return control('windowUpdate', 0, [frame.stream, frame.delta]);
  }
}

/**
 * Takes a connection apart into frames. A long data frame comes out in pieces, as it arrives, and only the last has `fin`;
 * the pieces share the memory of what was pushed. Frames of unknown types are left out.
 */
export class FrameReader {
  #head = new Uint8Array(headBytes);
  #headFilled = 0;
  #body: Uint8Array | undefined;
  #bodyFilled = 0;
  /** Of the data frame that is being read. */
  #dataLeft = 0;

  *read(chunk: Uint8Array): Iterable<Frame> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headFilled < headBytes) {
        const taken = chunk.subarray(at, at + headBytes - this.#headFilled);
        this.#head.set(taken, this.#headFilled);
        this.#headFilled += taken.length;
        at += taken.length;
        if (this.#headFilled < headBytes) return;
        const begun = this.#begin();
        if (begun) yield begun;
        continue;
      }
      if (this.#body) {
        const taken = chunk.subarray(at, at + this.#body.length - this.#bodyFilled);
        this.#body.set(taken, this.#bodyFilled);
        this.#bodyFilled += taken.length;
        at += taken.length;
        if (this.#bodyFilled < this.#body.length) return;
        const frame = this.#controlFrame(this.#body);
        this.#next();
        if (frame) yield frame;
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#dataLeft);
      at += bytes.length;
      this.#dataLeft -= bytes.length;
      const frame = this.#dataFrame(bytes);
      if (!this.#dataLeft) this.#next();
      yield frame;
    }
  }

  #next(): void {
    this.#headFilled = 0;
    this.#body = undefined;
    this.#bodyFilled = 0;
  }

  get #view(): DataView {
    return new DataView(this.#head.buffer);
  }

  /** The head is there. Gives a frame when it has no body. */
  #begin(): Frame | undefined {
    const first = this.#view.getUint32(0);
    const length = this.#view.getUint32(4) & 0xffffff;
    if (first >>> 31 === 0) {
      this.#dataLeft = length;
      if (length) return undefined;
      const frame = this.#dataFrame(new Uint8Array(0));
      this.#next();
      return frame;
    }
    if (((first >>> 16) & 0x7fff) !== version) throw new SpdyError('this is not SPDY/3');
    if (length > maxControlBytes) throw new SpdyError(`a control frame of ${length} bytes`);
    this.#body = new Uint8Array(length);
    if (length) return undefined;
    const frame = this.#controlFrame(this.#body);
    this.#next();
    return frame;
  }

  #dataFrame(bytes: Uint8Array): Frame {
    const fin = !this.#dataLeft && (this.#view.getUint8(4) & finFlag) !== 0;
    return { type: 'data', stream: this.#view.getUint32(0), fin, bytes };
  }

  #controlFrame(body: Uint8Array): Frame | undefined {
    const type = this.#view.getUint16(2);
    const fin = (this.#view.getUint8(4) & finFlag) !== 0;
    const view = new DataView(body.buffer);
    const number = (i: number) => {
      if (body.length < i * 4 + 4) throw new SpdyError('a control frame ends early');
      return view.getUint32(i * 4);
    };
    const id = (i: number) => number(i) & 0x7fffffff;
    switch (type) {
      case types.synStream:
        return { type: 'synStream', stream: id(0), fin, block: body.subarray(10) };
      case types.synReply:
        return { type: 'synReply', stream: id(0), fin, block: body.subarray(4) };
      case types.headers:
        return { type: 'headers', stream: id(0), fin, block: body.subarray(4) };
      case types.rstStream:
        return { type: 'rstStream', stream: id(0), code: number(1) };
      case types.settings: {
        let initialWindow: number | undefined;
        for (let i = 0; i < number(0); i++)
          if ((number(1 + i * 2) & 0xffffff) === initialWindowId) initialWindow = number(2 + i * 2);
        return { type: 'settings', initialWindow };
      }
      case types.ping:
        return { type: 'ping', id: number(0) };
      case types.goAway:
        return { type: 'goAway', lastStream: id(0), code: number(1) };
      case types.windowUpdate:
        return { type: 'windowUpdate', stream: id(0), delta: id(1) };
      default:
        return undefined;
    }
  }
}
