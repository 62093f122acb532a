// Poly1305. Source: RFC 8439, section 2.5. Numbers are ten limbs of 13 bits, least first: a product of two limbs, ten of
// them added and five times as much, is below 2^32.

const limbs = 10;
const bits = 13;
const mask = (1 << bits) - 1;

/** Little-endian bytes as limbs; `more` is put above them, at bit 8 * length. */
function limbsOf(bytes: Uint8Array, more = 0): Uint32Array {
  const out = new Uint32Array(limbs);
  const add = (byte: number, at: number) => {
    const limb = Math.floor(at / bits);
    const shifted = byte << (at % bits);
    out[limb]! += shifted & mask;
    if (limb + 1 < limbs) out[limb + 1]! += shifted >>> bits;
  };
  bytes.forEach((byte, i) => void add(byte, i * 8));
  if (more) add(more, bytes.length * 8);
  return out;
}

/** Makes every limb 13 bits wide again; what is above 2^130 counts five times below (2^130 = 5 modulo the prime). */
function carry(h: Uint32Array): void {
  let over = 0;
  for (let i = 0; i < limbs; i++) {
    const sum = h[i]! + over;
    h[i] = sum & mask;
    over = Math.floor(sum / 2 ** bits);
  }
  h[0]! += over * 5;
}

/** The tag of 16 bytes for a one-time key of 32. */
export function poly1305(message: Uint8Array, key: Uint8Array): Uint8Array {
  const clamped = key.slice(0, 16);
  for (const i of [3, 7, 11, 15]) clamped[i]! &= 15;
  for (const i of [4, 8, 12]) clamped[i]! &= 252;
  const r = limbsOf(clamped);
  const h = new Uint32Array(limbs);
  const product = new Uint32Array(limbs);
  for (let at = 0; at < message.length; at += 16) {
    const block = limbsOf(message.subarray(at, Math.min(at + 16, message.length)), 1);
    for (let i = 0; i < limbs; i++) h[i]! += block[i]!;
    carry(h);
    for (let i = 0; i < limbs; i++) {
      let sum = 0;
      for (let j = 0; j < limbs; j++) sum += h[j]! * (j <= i ? r[i - j]! : 5 * r[limbs + i - j]!);
      product[i] = sum;
    }
    h.set(product);
    carry(h);
    carry(h);
  }
  carry(h);
  carry(h);
  reduce(h);
  return sum128(h, key.subarray(16, 32));
}

/** Takes the prime, 2^130 - 5, off once where it fits. Which way is taken does not show in time. */
function reduce(h: Uint32Array): void {
  const less = new Uint32Array(limbs);
  let over = 5;
  for (let i = 0; i < limbs; i++) {
    const sum = h[i]! + over;
    less[i] = sum & mask;
    over = sum >>> bits;
  }
  const take = -over; // all ones when h + 5 reaches 2^130
  for (let i = 0; i < limbs; i++) h[i] = (less[i]! & take) | (h[i]! & ~take);
}

/** h + s modulo 2^128, little-endian. */
function sum128(h: Uint32Array, s: Uint8Array): Uint8Array {
  const out = new Uint8Array(16);
  let over = 0;
  for (let i = 0; i < 16; i++) {
    const bit = i * 8;
    const limb = Math.floor(bit / bits);
    const both = h[limb]! | ((h[limb + 1] ?? 0) << bits);
    const sum = ((both >>> (bit % bits)) & 255) + s[i]! + over;
    out[i] = sum;
    over = sum >>> 8;
  }
  return out;
}
