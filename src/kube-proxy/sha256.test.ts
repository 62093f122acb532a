import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { base32, sha256 } from './sha256.ts';

test('agrees with the reference at every length of padding', () => {
  for (let length = 0; length < 200; length++) {
    const text = 'é'.repeat(length % 3) + 'x'.repeat(length);
    assert.deepEqual(Buffer.from(sha256(text)), createHash('sha256').update(text).digest());
  }
});

test('base32', () => {
  assert.equal(base32(new TextEncoder().encode('foobar'), 9), 'MZXW6YTBO');
});
