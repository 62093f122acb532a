import { type Init, type Message, messageCodec } from '../machinery/protobuf/message.ts';
import type { KeyValue } from '../machinery/store.ts';
import { etcdMessages } from './etcd.gen.ts';

export const etcdCodec = messageCodec(etcdMessages);
export type Read<N extends keyof typeof etcdMessages> = Message<typeof etcdMessages, N>;
export type Write<N extends keyof typeof etcdMessages> = Init<typeof etcdMessages, N>;
/** Being put together: what `Write` is, to be changed. */
export type Draft<N extends keyof typeof etcdMessages> = { -readonly [K in keyof Write<N>]: Write<N>[K] };

/** Keys are bytes in etcd, and strings here: one character for each byte, so that every key and the order are kept. */
export function keyOf(bytes: Uint8Array): string {
  let key = '';
  for (let i = 0; i < bytes.length; i += 4096)
    key += String.fromCharCode.apply(null, bytes.subarray(i, i + 4096) as unknown as number[]);
  return key;
}

/** Throws a RangeError for a key that no bytes give. */
export function bytesOf(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) {
    const character = key.charCodeAt(i);
    if (character > 255)
      throw new RangeError(`the key ${JSON.stringify(key)} has characters beyond one byte`);
    bytes[i] = character;
  }
  return bytes;
}

/** Beyond every key. */
const afterAllKeys = '\u0100';

/** `range_end`: none is the one key, a zero byte is everything from the key on. */
export function endOf(rangeEnd: Uint8Array): string | undefined {
  if (!rangeEnd.length) return undefined;
  return rangeEnd.length === 1 && rangeEnd[0] === 0 ? afterAllKeys : keyOf(rangeEnd);
}

const noValue = new Uint8Array(0);

export const wireKeyValue = (kv: KeyValue, keysOnly = false): Write<'KeyValue'> => ({
  key: bytesOf(kv.key),
  value: keysOnly ? noValue : kv.value,
  createRevision: kv.createRevision,
  modRevision: kv.modRevision,
  version: kv.version,
  lease: kv.lease ?? 0,
});
