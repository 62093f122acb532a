// What a disk may do to a log, done to a copy of it: bytes changed, the end cut off, half of a write missing. Then it must be
// refused, or open with everything that was acknowledged: which of both, the place in the log says.

import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError, type EmbeddedStore, embeddedStore } from '../../src/etcd/node/embedded.ts';
import { readWitness } from '../../src/etcd/node/witness.ts';
import { Violation } from './checker.ts';
import { everything } from './history.ts';

interface Content {
  revision: number;
  compacted: number;
  changes: string[];
  now: string;
}

/** Everything that a store has: each key at its newest, and what is left of history. */
async function contentOf(store: EmbeddedStore): Promise<Content> {
  const changes: string[] = [];
  const text = new TextDecoder();
  store.watch({
    ...everything,
    startRevision: store.compactRevision + 1,
    onEvents: (events) => {
      for (const { type, kv } of events)
        changes.push(
          `${kv.modRevision} ${type} ${kv.key} ${kv.createRevision} ${kv.version} ${text.decode(kv.value)}`,
        );
    },
  });
  const { kvs } = await store.range(everything);
  const now = kvs
    .map((kv) => `${kv.key} ${kv.modRevision} ${kv.version} ${text.decode(kv.value)}`)
    .join('\n');
  return { revision: store.revision, compacted: store.compactRevision, changes, now };
}

export interface TornCounts {
  torn: number;
  refused: number;
  opened: number;
}

/**
 * Damages copies of a closed or killed store's directory, `times` times, at places that `random` chooses, or with `times`
 * Infinity at every byte of the last frames. Throws a Violation for a loss that nobody was told of.
 */
export async function tear(dir: string, random: () => number, times: number): Promise<TornCounts> {
  const counts: TornCounts = { torn: 0, refused: 0, opened: 0 };
  const options = { segmentBytes: 8192, readyBytes: 0 };
  const scratch = `${dir}-torn`;
  const fresh = () => {
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch);
    for (const name of readdirSync(dir)) if (name !== 'owner') cpSync(join(dir, name), join(scratch, name));
  };
  const acknowledged = readWitness(dir)!;
  fresh();
  let store = embeddedStore(scratch, options);
  const whole = await contentOf(store);
  await store.close();
  const logs = readdirSync(dir)
    .filter((name) => /^\d+\.log$/.test(name))
    .sort();
  const newest = logs.at(-1)!;
  const newestSize = statSync(join(dir, newest)).size;
  const upTo = (n: number): number => Math.floor(random() * n);

  async function one(what: string, name: string, at: number, damage: (path: string) => void): Promise<void> {
    fresh();
    counts.torn++;
    const path = join(scratch, name);
    const was = readFileSync(path);
    damage(path);
    const same = was.equals(readFileSync(path));
    // Ends of a cut-off write have never been acknowledged: only there may anything be missing.
    const free = name === newest && at >= acknowledged.end;
    try {
      store = embeddedStore(scratch, options);
    } catch (error) {
      if (!(error instanceof DataDirectoryError)) throw error;
      if (name === 'witness')
        throw new Violation(`${what}: the log is whole, and it is refused: ${error.message}`);
      if (same) throw new Violation(`${what}: nothing is damaged, and it is refused: ${error.message}`);
      if (free && !/header|no beginning/.test(error.message))
        throw new Violation(`${what}: nothing acknowledged is damaged, and it is refused: ${error.message}`);
      if (!/restore a backup|is missing/.test(error.message))
        throw new Violation(`${what}: the refusal does not say what to do: ${error.message}`);
      counts.refused++;
      return;
    }
    counts.opened++;
    const found = await contentOf(store);
    if (found.revision < acknowledged.revision)
      throw new Violation(
        `${what}: it opens at ${found.revision}, and ${acknowledged.revision} was acknowledged`,
      );
    // The damage may have taken a compaction that nobody was told of.
    const common = ({ changes }: Content) =>
      changes.filter((change) => {
        const mod = Number(change.split(' ')[0]);
        return mod <= found.revision && mod > whole.compacted;
      });
    if (JSON.stringify(common(found)) !== JSON.stringify(common(whole)))
      throw new Violation(`${what}: it opens at ${found.revision}, and its history is another`);
    if (found.revision === whole.revision && found.now !== whole.now)
      throw new Violation(`${what}: it opens, and has other keys`);
    // What opens also goes on, and opens again.
    await store.txn([], [{ op: 'put', key: '/registry/a/after', value: new Uint8Array(700) }]);
    await store.close();
    store = embeddedStore(scratch, options);
    if (store.revision !== found.revision + 1)
      throw new Violation(`${what}: what was written after it is gone`);
    await store.close();
  }

  const flip = (name: string, at: number, mask: number) =>
    one(`byte ${at} of ${name} changed by ${mask}`, name, at, (path) => {
      const bytes = readFileSync(path);
      bytes[at]! ^= mask;
      writeFileSync(path, bytes);
    });
  const cut = (name: string, at: number) =>
    one(`${name} cut off at ${at}`, name, at, (path) => truncateSync(path, at));
  const blank = (name: string, at: number, length: number) =>
    one(`${length} bytes of ${name} from ${at} on not written`, name, at, (path) => {
      const bytes = readFileSync(path);
      bytes.fill(0, at, Math.min(bytes.length, at + length));
      writeFileSync(path, bytes);
    });

  if (times === Infinity) {
    // All of the last frames that are acknowledged, and what is behind them.
    for (
      let at = Math.max(0, acknowledged.end - 700);
      at < Math.min(newestSize, acknowledged.end + 64);
      at++
    ) {
      await flip(newest, at, 1 << (at % 8));
      await cut(newest, at);
      await blank(newest, at, 16);
    }
  } else
    for (let i = 0; i < times; i++) {
      const near = random() < 0.6;
      const name = near ? newest : logs[upTo(logs.length)]!;
      const { size } = statSync(join(dir, name));
      const at = near ? Math.max(0, Math.min(size - 1, acknowledged.end + 40 - upTo(600))) : upTo(size);
      if (!size) continue;
      const chance = random();
      if (chance < 0.4) await flip(name, at, 1 + upTo(255));
      else if (chance < 0.6) await cut(name, at);
      else if (chance < 0.8) await blank(name, at, 1 + upTo(600));
      else if (chance < 0.9)
        await one('the witness damaged', 'witness', 0, (path) => {
          const bytes = readFileSync(path);
          bytes[upTo(bytes.length)]! ^= 1 + upTo(255);
          writeFileSync(path, bytes);
        });
      else await one(`${name} missing`, name, 0, (path) => writeFileSync(path, ''));
    }
  rmSync(scratch, { recursive: true, force: true });
  return counts;
}
