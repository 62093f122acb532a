// Frames of HTTP/2 (RFC 9113, sections 4 and 6), as bytes.

export const type = {
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
export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 };
export const setting = { concurrentStreams: 3, initialWindow: 4 };
export const problem = { none: 0, protocol: 1, flowControl: 3, cancel: 8, enhanceYourCalm: 11 };
export const frameHeader = 9;
/** What both sides may send in a frame unless told: we tell nothing. */
export const largestFrame = 16_384;

export function writeFrameHeader(
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

export function writeUint32(to: Buffer, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}
/** For places that are known to be there. */
export const readUint32 = (from: Buffer, at: number): number =>
  ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;

export function frame(kind: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeader + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, kind, flags, stream));
  return bytes;
}

/** The beginning of a frame whose payload follows by itself. */
export function frameHead(kind: number, length: number, stream: number): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeader);
  writeFrameHeader(bytes, 0, length, kind, 0, stream);
  return bytes;
}

export function unpadded(flags: number, payload: Buffer): Buffer {
  if (!(flags & flag.padded)) return payload;
  const padding = payload[0] ?? 0;
  if (padding >= payload.length) throw new RangeError('a frame has more padding than it is long');
  return payload.subarray(1, payload.length - padding);
}
