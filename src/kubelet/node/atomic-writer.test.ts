import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProjectedFile } from '../host.ts';
import { writeAtomically } from './atomic-writer.ts';

const now = new Date('2026-01-02T03:04:05Z');
const file = (path: string, text: string, mode = 0o644): ProjectedFile => ({
  path,
  data: new TextEncoder().encode(text),
  mode,
});

async function inVolume(body: (volume: string) => Promise<void>): Promise<void> {
  const volume = await mkdtemp(join(tmpdir(), 'wherry-atomic-'));
  try {
    await body(volume);
  } finally {
    await rm(volume, { recursive: true });
  }
}

test('files, with their modes, behind one link', () =>
  inVolume(async (volume) => {
    await writeAtomically(volume, [file('a', '1'), file('dir/deep/b', '2', 0o400)], undefined, now);
    assert.equal(await readFile(join(volume, 'dir/deep/b'), 'utf8'), '2');
    assert.equal((await stat(join(volume, 'dir/deep/b'))).mode & 0o777, 0o400);
    assert.equal(await readlink(join(volume, 'a')), '..data/a');
    assert.equal(await readlink(join(volume, 'dir')), '..data/dir');
    assert.match(await readlink(join(volume, '..data')), /^\.\.2026_01_02_03_04_05\./);
  }));

test('a change swaps the set; the same set is not written again', () =>
  inVolume(async (volume) => {
    const data = join(volume, '..data');
    await writeAtomically(volume, [file('a', '1'), file('b', '1')], undefined, now);
    const first = await readlink(data);
    await writeAtomically(volume, [file('b', '1'), file('a', '1')], undefined, now);
    assert.equal(await readlink(data), first);
    await writeAtomically(volume, [file('a', '2'), file('c', '3')], undefined, now);
    assert.notEqual(await readlink(data), first);
    assert.equal(await readFile(join(volume, 'a'), 'utf8'), '2');
    assert.deepEqual((await readdir(volume)).filter((name) => !name.startsWith('..')).sort(), ['a', 'c']);
    assert.deepEqual(
      (await readdir(volume)).filter((name) => name.startsWith('..2')).length,
      1,
      'old sets are removed',
    );
    await writeAtomically(volume, [], undefined, now);
    assert.deepEqual(
      (await readdir(volume)).filter((name) => !name.startsWith('..')),
      [],
    );
  }));

test('a mode alone is a change, and a group may read', () =>
  inVolume(async (volume) => {
    await writeAtomically(volume, [file('a', '1', 0o600)], 2000, now);
    const facts = await stat(join(volume, 'a'));
    assert.deepEqual([facts.mode & 0o7777, facts.gid], [0o640, 2000]);
    await writeAtomically(volume, [file('a', '1', 0o604)], 2000, now);
    assert.equal((await stat(join(volume, 'a'))).mode & 0o7777, 0o644);
  }));
