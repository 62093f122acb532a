import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warningHeader } from './warnings.ts';

test('warnings are quoted, said once, in bytes, and never too many', () => {
  assert.equal(warningHeader([]), undefined);
  assert.equal(warningHeader(['a "b"', 'a "b"', 'c\nd']), '299 - "a \\"b\\"", 299 - "c d"');
  const bytes = Uint8Array.from(warningHeader(['äß語'])!, (c) => c.charCodeAt(0));
  assert.equal(new TextDecoder().decode(bytes), '299 - "äß語"');
  const many = warningHeader(Array.from({ length: 20 }, (_, i) => `${i} `.padEnd(1000, 'x')))!;
  assert.ok(many.length < 4500);
  assert.match(many, /^299 - "0 x{254}", 299 - "1 /);
});
