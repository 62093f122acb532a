// Salsa20 and its extension to nonces of 24 bytes. Sources: D. J. Bernstein, "The Salsa20 family of stream ciphers" and
// "Extending the Salsa20 nonce".

const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/** "expand 32-byte k" */
const sigma = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Where the quarter rounds of a double round take their words: columns, then rows. */
const rounds = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
] as const;

const rotated = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

/** The state: constants on the diagonal, the key around them, `input` (four words) in the middle. */
function stateOf(key: Uint8Array, input: readonly number[]): Int32Array {
  const x = new Int32Array(16);
  for (let i = 0; i < 4; i++) {
    x[i * 5] = sigma[i]!;
    x[1 + i] = word(key, i * 4);
    x[11 + i] = word(key, 16 + i * 4);
    x[6 + i] = input[i]!;
  }
  return x;
}

/** Twenty rounds, in place. */
function mix(x: Int32Array): void {
  for (let i = 0; i < 10; i++) {
    for (const [a, b, c, d] of rounds) {
      x[b] = x[b]! ^ rotated((x[a]! + x[d]!) | 0, 7);
      x[c] = x[c]! ^ rotated((x[b]! + x[a]!) | 0, 9);
      x[d] = x[d]! ^ rotated((x[c]! + x[b]!) | 0, 13);
      x[a] = x[a]! ^ rotated((x[d]! + x[c]!) | 0, 18);
    }
  }
}

/** HSalsa20: a key of 32 bytes for the first 16 bytes of a long nonce. */
export function hsalsa20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const x = stateOf(
    key,
    [0, 4, 8, 12].map((at) => word(nonce, at)),
  );
  mix(x);
  const out = new Uint8Array(32);
  const view = new DataView(out.buffer);
  [0, 5, 10, 15, 6, 7, 8, 9].forEach((from, i) => void view.setInt32(i * 4, x[from]!, true));
  return out;
}

/** The first `length` bytes of XSalsa20's stream for a key of 32 bytes and a nonce of 24. */
export function xsalsa20(key: Uint8Array, nonce: Uint8Array, length: number): Uint8Array {
  const subkey = hsalsa20(key, nonce);
  const out = new Uint8Array(Math.ceil(length / 64) * 64);
  const view = new DataView(out.buffer);
  const [low, high] = [word(nonce, 16), word(nonce, 20)];
  for (let block = 0; block * 64 < length; block++) {
    const start = stateOf(subkey, [low, high, block >>> 0, Math.floor(block / 2 ** 32)]);
    const x = start.slice();
    mix(x);
    for (let i = 0; i < 16; i++) view.setInt32(block * 64 + i * 4, (x[i]! + start[i]!) | 0, true);
  }
  return out.subarray(0, length);
}
