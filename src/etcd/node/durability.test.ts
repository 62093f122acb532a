import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { prefixEnd, type StoreEvent } from '../../machinery/store.ts';
import { put } from '../suite.ts';
import { DataDirectoryError, embeddedStore } from './embedded.ts';

const root = mkdtempSync(join(tmpdir(), 'wherry-durability-'));
after(() => rmSync(root, { recursive: true }));
const module = new URL('./embedded.ts', import.meta.url).href;

/**
 * Eight writers, each with keys of its own; a transaction writes 1 to 1500 of them, all with the value `n:size`. A line for
 * each acknowledged one: `writer n`. Compacts now and then.
 */
const writer = `
import { writeSync } from 'node:fs';
const { embeddedStore } = await import(${JSON.stringify(module)});
const store = embeddedStore(process.argv[1], { quickMs: Number(process.argv[3]) });
let n = Number(process.argv[2]);
await Promise.all(Array.from({ length: 8 }, async (_, w) => {
  for (;;) {
    const mine = n++;
    const size = mine % 97 === 0 ? 1500 : 1 + (mine % 5);
    const value = new TextEncoder().encode(mine + ':' + size);
    await store.txn([], Array.from({ length: size }, (_, i) => ({ op: 'put', key: '/k/' + w + '/' + i, value })));
    writeSync(1, w + ' ' + mine + '\\n');
    if (mine % 50 === 0 && store.revision - 200 > store.compactRevision) await store.compact(store.revision - 200);
  }
}));`;

async function killedWriter(dir: string, first: number, lifeMs: number, quickMs: number): Promise<string> {
  const args = [dir, String(first), String(quickMs)];
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  child.stdout.setEncoding('utf8');
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdout.on('data', (text: string) => {
    if (!told) setTimeout(() => child.kill('SIGKILL'), lifeMs);
    told += text;
  });
  await ended;
  assert.equal(child.signalCode, 'SIGKILL', 'the writer lives until it is killed');
  return told.slice(0, told.lastIndexOf('\n'));
}

test('killed at any moment: nothing acknowledged is lost, no revision is torn', async () => {
  const dir = join(root, 'killed');
  const text = new TextDecoder();
  const acknowledged = new Map<string, number>();
  let revision = 1;
  let next = 1;
  for (let round = 0; round < 20; round++) {
    const told = await killedWriter(dir, next, Math.random() * 120, round % 2 ? 0 : 1e9);
    for (const line of told.split('\n')) {
      const [w, n] = line.split(' ') as [string, string];
      acknowledged.set(w, Number(n));
    }
    const store = embeddedStore(dir);
    assert.ok(store.revision > revision, 'the revision rises');
    revision = store.revision;
    const events: StoreEvent[] = [];
    store.watch({
      key: '/k/',
      end: prefixEnd('/k/'),
      startRevision: store.compactRevision + 1,
      onEvents: (more) => void events.push(...more),
    });
    const byRevision = Map.groupBy(events, (e) => e.kv.modRevision);
    for (let r = Math.max(2, store.compactRevision + 1); r <= revision; r++) {
      const [first, ...rest] = byRevision.get(r)!.map((e) => text.decode(e.kv.value));
      assert.equal(rest.length + 1, Number(first!.split(':')[1]), `revision ${r} is whole`);
      assert.ok(rest.every((value) => value === first));
    }
    for (const [w, n] of acknowledged) {
      const { kvs } = await store.range({ key: `/k/${w}/0` });
      const kept = Number(text.decode(kvs[0]!.value).split(':')[0]);
      assert.ok(kept >= n, `writer ${w} was told that ${n} is kept, and ${kept} is`);
      next = Math.max(next, kept + 1);
    }
    next += 10; // the transactions that were under way
    await store.close();
  }
});

const good = join(root, 'good');
before(async () => {
  const store = embeddedStore(good);
  for (let i = 0; i < 200; i++) await store.txn([], [put(`/k/${i}`, `value-${i}-`.repeat(20))]);
  await store.close();
});

let copies = 0;
function copy(): string {
  const dir = join(root, `copy-${copies++}`);
  cpSync(good, dir, { recursive: true });
  return dir;
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

function refused(dir: string, sentence: RegExp): void {
  const file = join(dir, '00000001.log');
  const digestOf = () => (statSync(file, { throwIfNoEntry: false }) ? digest(file) : undefined);
  const was = digestOf();
  assert.throws(
    () => embeddedStore(dir),
    (error: Error) => {
      assert.ok(error instanceof DataDirectoryError, error.stack);
      assert.match(error.message, sentence);
      assert.match(error.message, /: (restore a backup|start the version|choose another|stop it)/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
  assert.equal(digestOf(), was, 'the file is as it was');
}

test('another format is refused', () => {
  const dir = copy();
  writeFileSync(join(dir, 'format'), '7\n');
  refused(dir, /has format 7, this version of Wherry knows 2/);
});

test('a half-made directory is refused, one that was never complete begins anew', async () => {
  const noFormat = copy();
  rmSync(join(noFormat, 'format'));
  refused(noFormat, /half made/);
  const noFile = copy();
  rmSync(join(noFile, '00000001.log'));
  refused(noFile, /00000001\.log is missing/);
  const nonsense = copy();
  writeFileSync(join(nonsense, 'format'), 'x\n');
  refused(nonsense, /format is damaged/);
  const cutOff = join(root, 'cut-off');
  mkdirSync(cutOff);
  writeFileSync(join(cutOff, 'format'), '2 new\n');
  writeFileSync(join(cutOff, '00000001.log.new'), 'half a pag');
  const store = embeddedStore(cutOff);
  assert.equal(store.revision, 1);
  await store.close();
  await embeddedStore(cutOff).close();
});

test('a log that is cut off anywhere is refused: all of it was acknowledged', () => {
  const { size } = statSync(join(good, '00000001.log'));
  for (const length of [0, 1, 31, 32, 100, 5000, Math.floor(size / 2), size - 300, size - 1]) {
    const dir = copy();
    truncateSync(join(dir, '00000001.log'), length);
    refused(dir, /is damaged \((its header|it has no beginning|it ends at revision)/);
  }
});

test('a changed byte anywhere in the log is refused', () => {
  const content = readFileSync(join(good, '00000001.log'));
  for (let at = 0; at < content.length; at += 1 + Math.floor(content.length / 150)) {
    const dir = copy();
    const changed = Buffer.from(content);
    changed[at]! ^= 1 << (at % 8);
    writeFileSync(join(dir, '00000001.log'), changed);
    refused(dir, /is damaged/);
  }
});

test('without its witness, a log opens as far as it is good', async () => {
  const dir = copy();
  rmSync(join(dir, 'witness'));
  const file = join(dir, '00000001.log');
  truncateSync(file, statSync(file).size - 1);
  const store = embeddedStore(dir);
  assert.equal(store.revision, 200, 'the last write is not whole, and may not have been acknowledged');
  await store.close();
  writeFileSync(join(dir, 'witness'), 'nonsense');
  await embeddedStore(dir).close();
});

test('many segments: cleaned, joined, and all is there; a lost one is noticed', async () => {
  const dir = join(root, 'segments');
  const options = { segmentBytes: 4096, readyBytes: 512 };
  let store = embeddedStore(dir, options);
  const logs = () => readdirSync(dir).filter((name) => name.endsWith('.log'));
  const text = new TextDecoder();
  const model = new Map<string, string>();
  const check = async () => {
    const { kvs } = await store.range({ key: '/', end: '0' });
    assert.deepEqual(new Map(kvs.map((kv) => [kv.key, text.decode(kv.value)])), model);
  };
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 40; i++) {
      const key = `/k/${(round * 7 + i * 3) % 60}`;
      if (i % 4 === 3) {
        await store.txn([], [{ op: 'delete', key }]);
        model.delete(key);
      } else {
        await store.txn([], [put(key, `${round}-${i}-${'x'.repeat(i)}`)]);
        model.set(key, `${round}-${i}-${'x'.repeat(i)}`);
      }
    }
    const past = store.revision - 10;
    const { kvs: before } = await store.range({ key: '/', end: '0', revision: past });
    await store.compact(past);
    await store.clean();
    assert.deepEqual((await store.range({ key: '/', end: '0', revision: past })).kvs, before);
    await check();
    if (round % 5 === 4) {
      await store.close();
      store = embeddedStore(dir, options);
      assert.deepEqual((await store.range({ key: '/', end: '0', revision: past })).kvs, before);
      await check();
    }
  }
  assert.ok(logs().length < 12, `cleaning leaves few segments, and not ${logs().length}`);
  await store.close();
  for (const name of logs()) {
    const other = join(root, `lost-${name}`);
    cpSync(dir, other, { recursive: true });
    rmSync(join(other, name));
    assert.throws(() => embeddedStore(other, options), /is missing|is damaged/, name);
  }
});

test('what is no store is refused', () => {
  const dir = copy();
  writeFileSync(join(dir, '00000001.log'), 'This is a diary.\n'.repeat(2000));
  refused(dir, /its header is not readable/);
  const file = join(root, 'file');
  writeFileSync(file, 'x');
  refused(file, /cannot be made/);
});

test('a directory that is in use is refused, to this process and to others', async () => {
  const dir = copy();
  const store = embeddedStore(dir);
  refused(dir, /is in use by process/);
  const other = `const { embeddedStore } = await import(${JSON.stringify(module)}); embeddedStore(process.argv[1]);`;
  assert.throws(
    () => execFileSync(process.execPath, ['--input-type=module', '-e', other, dir], { stdio: 'pipe' }),
    /is in use by process/,
  );
  await store.close();
  await embeddedStore(dir).close();
});

for (const quickMs of [0, 1e9])
  test(`a full disk (${quickMs ? 'quick' : 'slow'}): writes fail with a clear error, nothing is lost, and the store goes on when there is space`, async () => {
    const dir = join(root, `full-${quickMs}`);
    mkdirSync(dir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', dir]);
    try {
      const filler = join(dir, 'filler');
      writeFileSync(filler, Buffer.alloc(1 << 20));
      let store = embeddedStore(join(dir, 'store'), { quickMs });
      const kept = new Set<string>();
      const refusedKeys = new Set<string>();
      const seen: string[] = [];
      store.watch({
        key: '/',
        end: prefixEnd('/'),
        onEvents: (events) => void seen.push(...events.map((e) => e.kv.key)),
      });
      const write = async (key: string): Promise<boolean> => {
        try {
          await store.txn(
            [{ key, target: 'mod', equals: 0 }],
            [put(key, 'x'.repeat(9000)), put(`${key}-2`, 'x')],
          );
          kept.add(key).add(`${key}-2`);
          return true;
        } catch (error) {
          assert.match(
            (error as Error).message,
            /^the disk of .* is full: nothing was written; free some space/,
          );
          refusedKeys.add(key);
          return false;
        }
      };
      const check = async () => {
        const { kvs, revision } = await store.range({ key: '/', end: prefixEnd('/') });
        assert.deepEqual(new Set(kvs.map((kv) => kv.key)), kept);
        assert.equal(revision, 1 + kept.size / 2, 'one revision for each acknowledged transaction');
        assert.equal(store.stats().keys, kept.size);
      };
      for (let i = 0; refusedKeys.size < 20; i++)
        await Promise.all([0, 1, 2, 3].map((w) => write(`/${String(i).padStart(3, '0')}-${w}`)));
      await check();
      assert.deepEqual(new Set(seen), kept, 'a watch has seen what is kept, and no more');

      // Who depends on a write that fails, fails with it.
      const [first, second] = await Promise.allSettled([
        store.txn([], [put('/doomed', 'x'.repeat(100_000))]),
        store.txn([{ key: '/doomed', target: 'mod', equals: 0 }], []),
      ]);
      assert.deepEqual([first.status, second.status], ['rejected', 'rejected']);
      await check();

      rmSync(filler);
      const again = [...refusedKeys];
      for (const key of again) assert.ok(await write(key), 'with space, the same store goes on');
      await check();
      await store.compact(store.revision);
      await store.close();
      store = embeddedStore(join(dir, 'store'), { quickMs });
      await check();

      // The same once more, with a restart while it is full.
      writeFileSync(filler, Buffer.alloc(1 << 20).subarray(0, (1 << 20) - (1 << 18)));
      for (let i = 0; await write(`/again-${i}`); i++);
      await store.close();
      store = embeddedStore(join(dir, 'store'), { quickMs });
      await check();
      rmSync(filler);
      assert.ok(await write('/at-last'));
      await check();
      await store.close();
    } finally {
      execFileSync('umount', ['-l', dir]);
    }
  });
