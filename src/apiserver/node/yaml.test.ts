import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refused } from '../../testing/expect.ts';
import { yamlInThread } from './yaml.ts';

test('long YAML is read in a thread, and nobody waits for it', async () => {
  const parse = yamlInThread();
  const text = Array.from({ length: 20_000 }, (_, i) => `key${i}: {a: ${i}, "__proto__": x}`).join('\n');
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  const [first, second] = await Promise.all([parse(text), parse('a: 1\na: 2')]);
  clearInterval(timer);
  assert.equal(Object.keys(first!.value).length, 20_000);
  assert.deepEqual(Object.keys(first!.value.key7), ['a', '__proto__']);
  assert.deepEqual(second!.value, { a: 2 });
  assert.match(second!.duplicates[0]!, /line 2: key "a" already set/);
  assert.ok(turns > 10, `${turns} turns meanwhile`);
  await refused(() => parse('a: [1'), 400, /yaml: line/);
  await refused(() => parse('- '.repeat(200_000)), 400, /exceeded max depth/);
  assert.equal((await parse(''))?.value, undefined);
  const many = Array.from({ length: 20 }, () => parse('a: 1'));
  await refused(() => parse('a: 1'), 429);
  await Promise.all(many);
});
