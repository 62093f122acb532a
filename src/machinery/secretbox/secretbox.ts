import { poly1305 } from './poly1305.ts';
import { xsalsa20 } from './salsa20.ts';

/** Bytes of a key, of a nonce (which must never come twice with a key), and that sealing adds. */
export const keyBytes = 32;
export const nonceBytes = 24;
export const overheadBytes = 16;

/**
 * NaCl's secret-key authenticated encryption, XSalsa20 and Poly1305: the tag, then the encrypted message. The first 32 bytes
 * of the stream are the key of the tag. Source: "Cryptography in NaCl", D. J. Bernstein, sections 9 and 10.
 */
export function seal(message: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  const stream = xsalsa20(key, nonce, keyBytes + message.length);
  const out = new Uint8Array(overheadBytes + message.length);
  for (let i = 0; i < message.length; i++) out[overheadBytes + i] = message[i]! ^ stream[keyBytes + i]!;
  out.set(poly1305(out.subarray(overheadBytes), stream.subarray(0, keyBytes)));
  return out;
}

/** The message; undefined when it was not sealed with this key and nonce, or was changed. */
export function open(sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (sealed.length < overheadBytes) return undefined;
  const body = sealed.subarray(overheadBytes);
  const stream = xsalsa20(key, nonce, keyBytes + body.length);
  const tag = poly1305(body, stream.subarray(0, keyBytes));
  // All of it is compared, so that the time does not tell where it differs.
  let difference = 0;
  for (let i = 0; i < overheadBytes; i++) difference |= tag[i]! ^ sealed[i]!;
  if (difference) return undefined;
  return body.map((byte, i) => byte ^ stream[keyBytes + i]!);
}
