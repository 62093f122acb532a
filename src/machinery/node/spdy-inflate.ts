import { constants, createInflate, type ZlibOptions } from 'node:zlib';
import { spdyDictionary } from '../spdy/dictionary.ts';
import type { Inflate } from '../spdy/headers.ts';

/** Headers that unpack to more are an attack. */
const maxBlockBytes = 1 << 18;

/** Inflates the header blocks of one direction of a SPDY connection. Rejects for what is not zlib, and from then on. */
export function spdyInflate(): Inflate {
  const options: ZlibOptions & { highWaterMark: number } = {
    dictionary: spdyDictionary,
    flush: constants.Z_SYNC_FLUSH,
    finishFlush: constants.Z_SYNC_FLUSH,
    // More than a block may unpack to, so that a write never waits for reads.
    highWaterMark: maxBlockBytes * 2,
  };
  const inflate = createInflate(options);
  return (block) =>
    new Promise((resolve, reject) => {
      // A write that fails does not call back: the stream says so.
      inflate.once('error', reject);
      inflate.write(block, (error) => {
        inflate.off('error', reject);
        if (error) return reject(error);
        const out: Buffer[] = [];
        for (let part = inflate.read(); part; part = inflate.read()) out.push(part);
        const bytes = Buffer.concat(out);
        if (bytes.length <= maxBlockBytes) return resolve(bytes);
        inflate.destroy();
        reject(new RangeError('a header block unpacks to too much'));
      });
    });
}
