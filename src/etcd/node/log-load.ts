import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LeaseRecord } from '../backend.ts';
import type { Version } from '../key-index.ts';
import {
  compactIn,
  decodeHeader,
  frameType,
  leaseIn,
  revisionIn,
  stateIn,
  typeOf,
  walkFrames,
} from './log-frame.ts';
import { damaged, Segment, segmentPath } from './log-segment.ts';
import type { Acknowledged } from './witness.ts';

export interface Loaded {
  segments: Segment[];
  /** The newest one ends with a seal: the next write begins another. */
  sealed: boolean;
  revision: number;
  compactRevision: number;
  leases: Map<number, LeaseRecord>;
}

/**
 * Reads the whole log, and every checksum in it. `add` gets each change that is there, in the order of revisions. A write
 * that was cut off at the end of the newest segment is left out; anything else that is not as it was written, and an end
 * before what was acknowledged, is a DataDirectoryError.
 */
export function loadLog(
  dir: string,
  acknowledged: Acknowledged | undefined,
  add: (version: Version) => void,
): Loaded {
  const found: Loaded = {
    ...{ segments: [], sealed: false, revision: 1, compactRevision: 0 },
    leases: new Map(),
  };
  const numbers = readdirSync(dir)
    .filter((name) => /^\d{8}\.log$/.test(name))
    .map((name) => Number(name.slice(0, 8)))
    .sort((a, b) => a - b);
  let next = 1;
  try {
    for (const number of numbers) {
      const path = segmentPath(dir, number);
      // A cleaning that joined several segments had no time to remove the others.
      if (number < next) {
        rmSync(path);
        continue;
      }
      if (number !== next) throw damaged(dir, `segment ${next} of its log is missing`);
      if (found.segments.length && !found.sealed)
        throw damaged(found.segments.at(-1)!.path, 'its end is not as it was written');
      next = loadSegment(path, number, found, add).last + 1;
    }
    found.revision = Math.max(found.revision, found.compactRevision);
    const newest = found.segments.at(-1);
    if (acknowledged && behind(newest, acknowledged))
      throw damaged(
        newest?.path ?? dir,
        `it ends at revision ${found.revision}, and revision ${acknowledged.revision} was acknowledged`,
      );
  } catch (error) {
    for (const segment of found.segments) segment.close();
    throw error;
  }
  for (const name of readdirSync(dir)) if (name.endsWith('.log.new')) rmSync(join(dir, name));
  return found;
}

const behind = (newest: Segment | undefined, { segment, end }: Acknowledged): boolean =>
  !newest || newest.last < segment || (newest.number === segment && newest.end < end);

function loadSegment(path: string, number: number, found: Loaded, add: (version: Version) => void): Segment {
  const bytes = readFileSync(path);
  const header = decodeHeader(bytes);
  if (header?.number !== number || header.last < number) throw damaged(path, 'its header is not readable');
  const versions: Version[] = [];
  let frames = 0;
  found.sealed = false;
  const { end, checksum } = walkFrames(bytes, header.checksum, (at, to) => {
    const type = typeOf(bytes, at);
    if (frames++ === 0 && type !== frameType.state) throw damaged(path, 'it begins as none does');
    if (found.sealed) throw damaged(path, 'it goes on after its end');
    if (type === frameType.revision) {
      const { revision, changes } = revisionIn(bytes, at, to);
      if (revision <= found.revision) throw damaged(path, 'its revisions are not in order');
      found.revision = revision;
      for (const { createRevision: create, at: offset, ...rest } of changes) {
        const version: Version = { ...rest, mod: revision, create, segment: number, offset };
        versions.push(version);
        add(version);
      }
    } else if (type === frameType.state) {
      const state = stateIn(bytes, at);
      found.revision = Math.max(found.revision, state.revision);
      found.compactRevision = Math.max(found.compactRevision, state.compactRevision);
      found.leases = new Map(state.leases.map((lease) => [lease.id, lease]));
    } else if (type === frameType.compact) found.compactRevision = compactIn(bytes, at);
    else if (type === frameType.lease) {
      const lease = leaseIn(bytes, at);
      if (lease.ttlSeconds) found.leases.set(lease.id, lease);
      else found.leases.delete(lease.id);
    } else if (type === frameType.seal) found.sealed = true;
    else throw damaged(path, `it has a record of the unknown kind ${type}`);
  });
  if (!frames) throw damaged(path, 'it has no beginning');
  const segment = new Segment(path, header, end, checksum);
  for (const version of versions) segment.hold(version);
  found.segments.push(segment);
  return segment;
}
