const table = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0x82f6_3b78 ^ (c >>> 1) : c >>> 1;
  table[n] = c;
}

/** CRC-32 with Castagnoli's polynomial (RFC 3720, appendix B.4), going on from `before`. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}
