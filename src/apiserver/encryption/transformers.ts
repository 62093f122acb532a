import { nonceBytes, open, overheadBytes, seal } from '../../machinery/secretbox/secretbox.ts';

/**
 * AES, as the platform has it. At once, not by promises: what a watch of the store shows must be readable in the turn in
 * which it comes, and WebCrypto answers later. `open` and `decrypt` throw for what is not theirs.
 */
export interface Ciphers {
  /** CBC with PKCS#7 padding. */
  cbcEncrypt(key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array;
  cbcDecrypt(key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array): Uint8Array;
  /** GCM: the tag of 16 bytes stands behind what is encrypted. */
  gcmSeal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, also: Uint8Array): Uint8Array;
  gcmOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, also: Uint8Array): Uint8Array;
}

/** Between what is in the store and what is read. `name` is the key in the store, which some bind the value to. */
export interface Transformer {
  /** What values begin with that it writes: `k8s:enc:secretbox:v1:key1:`. */
  readonly prefix?: string;
  toStorage(plain: Uint8Array, name: Uint8Array): Uint8Array;
  /**
   * `stale`: it should be written anew; `prefix`: what it began with, of those that are told apart by that. Throws an Error
   * for what cannot be read.
   */
  fromStorage(stored: Uint8Array, name: Uint8Array): { plain: Uint8Array; stale: boolean; prefix?: string };
}

const random = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes));

function joined(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const tooShort = () => new Error('the stored data was shorter than the required size');
const block = 16;
const gcmNonce = 12;

/** IV, then the encrypted value. */
export const aescbc = (key: Uint8Array, ciphers: Ciphers): Transformer => ({
  toStorage(plain) {
    const iv = random(block);
    return joined(iv, ciphers.cbcEncrypt(key, iv, plain));
  },
  fromStorage(stored) {
    if (stored.length < block) throw tooShort();
    if (stored.length % block) throw new Error('the stored data is not a multiple of the block size');
    if (stored.length === block) throw new Error('invalid PKCS7 data (empty or not padded)');
    const plain = ciphers.cbcDecrypt(key, stored.subarray(0, block), stored.subarray(block));
    return { plain, stale: false };
  },
});

/** Nonce, the encrypted value, the tag; bound to the key in the store. */
export const aesgcm = (key: Uint8Array, ciphers: Ciphers): Transformer => ({
  toStorage(plain, name) {
    const nonce = random(gcmNonce);
    return joined(nonce, ciphers.gcmSeal(key, nonce, plain, name));
  },
  fromStorage(stored, name) {
    if (stored.length < gcmNonce + block) throw tooShort();
    const plain = ciphers.gcmOpen(key, stored.subarray(0, gcmNonce), stored.subarray(gcmNonce), name);
    return { plain, stale: false };
  },
});

/** Nonce, then NaCl's box. */
export const secretbox = (key: Uint8Array): Transformer => ({
  toStorage(plain) {
    const nonce = random(nonceBytes);
    return joined(nonce, seal(plain, nonce, key));
  },
  fromStorage(stored) {
    if (stored.length < nonceBytes + overheadBytes) throw tooShort();
    const plain = open(stored.subarray(nonceBytes), stored.subarray(0, nonceBytes), key);
    if (!plain) throw new Error('secretbox: message authentication failed');
    return { plain, stale: false };
  },
});

const encoder = new TextEncoder();
const encrypted = encoder.encode('k8s:enc:');
const begins = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);

/** Nothing is encrypted; what is, is refused. */
export const identity: Transformer = {
  toStorage: (plain) => plain,
  fromStorage(stored) {
    if (begins(stored, encrypted)) throw new Error('identity transformer tried to read encrypted data');
    return { plain: stored, stale: false };
  },
};

/**
 * Several, told apart by what values begin with. The first writes; whatever another one wrote is stale. One that fails does
 * not keep the next from trying: two may have the same prefix. An empty prefix fits all.
 */
export function byPrefix(list: { prefix: string; transformer: Transformer }[], none: string): Transformer {
  const all = list.map(({ prefix: text, transformer }) => ({
    ...{ text, transformer },
    prefix: encoder.encode(text),
  }));
  return {
    prefix: all[0]!.text + (all[0]!.transformer.prefix ?? ''),
    toStorage(plain, name) {
      const [{ prefix, transformer }] = all as [(typeof all)[0]];
      const value = transformer.toStorage(plain, name);
      return prefix.length ? joined(prefix, value) : value;
    },
    fromStorage(stored, name) {
      const errors: string[] = [];
      for (const [i, { prefix, text, transformer }] of all.entries()) {
        if (!begins(stored, prefix)) continue;
        try {
          const inner = transformer.fromStorage(stored.subarray(prefix.length), name);
          return { plain: inner.plain, stale: inner.stale || i > 0, prefix: text + (inner.prefix ?? '') };
        } catch (error) {
          if (prefix.length) errors.push((error as Error).message);
        }
      }
      throw new Error([...new Set(errors)].join(', ') || none);
    },
  };
}
