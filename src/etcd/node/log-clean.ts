import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Version } from '../key-index.ts';
import {
  closeFrame,
  copyFrame,
  decodeChange,
  decodeHeader,
  encodeHeader,
  frameBytes,
  headerBytes,
  sealFrame,
} from './log-frame.ts';
import { damaged, Segment, syncDirectory } from './log-segment.ts';

/** Garbage that is worth the work, as a part of a segment's length. */
const worthwhile = 1 / 16;
/** Deletions that are only kept because older segments are not clean, likewise. */
const mostTombstones = 1 / 4;
const mostSmall = 8;

/** Neighbours to be written anew as one, and the revision at which all that is older has been cleaned. */
interface Chosen {
  run: Segment[];
  before: number;
}

/**
 * Which segments to clean at the revision `at`: those of which more than half is forgotten, or that are small. When
 * deletions pile up that only older garbage needs, all that were not cleaned at `at` are.
 */
export function toClean(sealed: Segment[], at: number, segmentBytes: number): Chosen | undefined {
  let before = Infinity;
  const all = sealed.map((segment) => {
    const needed = neededTombstones(segment, before).reduce((sum, { size }) => sum + size, 0);
    const one = { segment, before, needed, kept: segment.live + needed };
    before = Math.min(before, segment.cleanedAt);
    return one;
  });
  const thorough = all.reduce((sum, { needed }) => sum + needed, 0) > segmentBytes * mostTombstones;
  const wanted = ({ segment: { end, cleanedAt }, kept }: (typeof all)[number]) =>
    kept < end / 2 || end < segmentBytes * worthwhile || (thorough && cleanedAt < at);
  let run: typeof all = [];
  const kept = () => run.reduce((sum, one) => sum + one.kept, 0);
  const chosen = (): Chosen | undefined => {
    const gained = run.reduce((sum, { segment }) => sum + segment.end, 0) - kept();
    const old = thorough && run.some(({ segment }) => segment.cleanedAt < at);
    if (!run.length || (gained < segmentBytes * worthwhile && run.length < mostSmall && !old))
      return undefined;
    return { run: run.map(({ segment }) => segment), before: run[0]!.before };
  };
  for (const one of all) {
    if (run.length && (!wanted(one) || kept() + one.kept > segmentBytes)) {
      const found = chosen();
      if (found) return found;
      run = [];
    }
    if (wanted(one)) run.push(one);
  }
  return chosen();
}

/** Deletions that must stay: what they delete may still be in an older segment, and would come back at the next start. */
const neededTombstones = (segment: Segment, before: number) =>
  segment.tombstones.filter(({ mod }) => mod > before);

interface Part {
  mod: number;
  offset: number;
  size: number;
  from: Buffer;
  version?: Version;
}

/**
 * Writes what is not forgotten of these neighbours into one file in place of the first, and removes the others. What is
 * forgotten while this runs is copied and counted as garbage. `swap` gets the new segment when it is on disk: from then on,
 * versions are there.
 */
export async function cleaned(
  dir: string,
  { run, before }: Chosen,
  at: number,
  swap: (segment: Segment) => void,
): Promise<void> {
  const first = run[0]!;
  const files = await Promise.all(run.map((one) => readFile(one.path)));
  const parts: Part[] = run.flatMap((segment, i) => {
    const from = files[i]!;
    return [
      ...segment.versions
        .filter(({ size }) => size)
        .map((version) => ({
          ...{ mod: version.mod, offset: version.offset, size: version.size },
          from,
          version,
        })),
      ...neededTombstones(segment, before).map(({ mod, offset, size }) => ({ mod, offset, size, from })),
    ].sort((a, b) => a.offset - b.offset);
  });
  const header = { number: first.number, last: run.at(-1)!.last, cleanedAt: at };
  const { bytes, checksum } = encodeHeader(header);
  const out: Buffer[] = [bytes];
  let end = bytes.length;
  let sum = checksum;
  const write = (frame: Buffer): number => {
    sum = closeFrame(frame, sum);
    out.push(frame);
    end += frame.length;
    return end - frame.length;
  };
  write(stateOf(files[0]!, first.path));
  const places: { part: Part; offset: number }[] = [];
  for (let i = 0, n = 0; i < parts.length; ) {
    const { mod } = parts[i]!;
    const same: Part[] = [];
    while (i < parts.length && parts[i]!.mod === mod) same.push(parts[i++]!);
    const changes = same.map(({ from, offset, size }) => {
      const change = from.subarray(offset, offset + size);
      if (!decodeChange(change, mod)) throw damaged(first.path, `revision ${mod} is not readable`);
      return change;
    });
    const { bytes: frame, offsets } = copyFrame(mod, changes);
    const start = write(frame);
    same.forEach((part, k) => void places.push({ part, offset: start + offsets[k]! }));
    // Others want their turn, too.
    if (++n % 1000 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  write(sealFrame());
  await writeFile(`${first.path}.new`, out, { mode: 0o600, flush: true });
  await rename(`${first.path}.new`, first.path);
  syncDirectory(dir);

  const segment = new Segment(first.path, header, end, sum);
  for (const { part, offset } of places) {
    const { version, mod, size } = part;
    if (version?.size) {
      version.segment = segment.number;
      version.offset = offset;
      segment.hold(version);
    } else if (!version || version.version === 0) segment.tombstones.push({ mod, offset, size });
  }
  swap(segment);
  for (const old of run.slice(1)) await rm(old.path);
  syncDirectory(dir);
}

/** The first frame, as it was. */
function stateOf(file: Buffer, path: string): Buffer {
  if (!decodeHeader(file)) throw damaged(path, 'its header is not readable');
  const size = file.readUInt32LE(headerBytes);
  return Buffer.from(file.subarray(headerBytes, headerBytes + frameBytes + size));
}
