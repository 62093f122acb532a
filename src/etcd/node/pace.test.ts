import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Pace } from './pace.ts';

test('quick as long as writes are, most of them', () => {
  const pace = new Pace(1);
  assert.equal(pace.isQuick, false, 'until it is known');
  for (let i = 0; i < 20; i++) pace.note(0.1);
  assert.equal(pace.isQuick, true);
  pace.note(10_000);
  assert.equal(pace.isQuick, true, 'one that takes long changes nothing');
  for (let i = 0; i < 3; i++) pace.note(20);
  assert.equal(pace.isQuick, false, 'several do');
  for (let i = 0; i < 20; i++) pace.note(0.1);
  assert.equal(pace.isQuick, true);
});

test('a probe leaves zeros behind the end, and what is before it alone', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-pace-'));
  const path = join(dir, 'file');
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
  try {
    const pace = new Pace(1e9);
    const ready = pace.probe(fd, 100);
    assert.ok(pace.isQuick);
    assert.equal(statSync(path).size, ready);
    assert.equal(new Pace(0).probe(fd, ready), ready, 'nothing is measured where nothing is quick');
    assert.equal(statSync(path).size, ready);
    const readOnly = openSync(path, 'r');
    assert.equal(new Pace().probe(readOnly, 100), 100, 'what cannot be written is left as it is');
    closeSync(readOnly);
  } finally {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  }
});
