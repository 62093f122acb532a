import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Ciphers } from '../encryption/transformers.ts';

const tagBytes = 16;
const cbc = (key: Uint8Array) => `aes-${key.length * 8}-cbc`;
const gcm = (key: Uint8Array) => `aes-${key.length * 8}-gcm` as 'aes-256-gcm';

/** AES of Node. */
export const nodeCiphers: Ciphers = {
  cbcEncrypt(key, iv, plain) {
    const cipher = createCipheriv(cbc(key), key, iv);
    return Buffer.concat([cipher.update(plain), cipher.final()]);
  },
  cbcDecrypt(key, iv, encrypted) {
    const cipher = createDecipheriv(cbc(key), key, iv);
    try {
      return Buffer.concat([cipher.update(encrypted), cipher.final()]);
    } catch (error) {
      throw new Error('invalid padding on input', { cause: error });
    }
  },
  gcmSeal(key, nonce, plain, also) {
    const cipher = createCipheriv(gcm(key), key, nonce);
    cipher.setAAD(also);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  },
  gcmOpen(key, nonce, sealed, also) {
    const cipher = createDecipheriv(gcm(key), key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(also);
    cipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    try {
      return Buffer.concat([cipher.update(sealed.subarray(0, -tagBytes)), cipher.final()]);
    } catch (error) {
      throw new Error('cipher: message authentication failed', { cause: error });
    }
  },
};
