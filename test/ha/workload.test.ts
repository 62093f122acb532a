import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delays, firstAnswers } from './workload.ts';

const available: [number, number][] = [
  [0, 1000],
  [3000, 5000],
];

test('what an answer took counts from when there was a majority, while there was one', () => {
  const took = (from: number, to: number) => delays([{ from, to }], available);
  assert.deepEqual(took(100, 300), [200]);
  assert.deepEqual(took(900, 3100), [100], 'it waited for a majority');
  assert.deepEqual(took(200, 3100), [800], 'it waited for long before');
  assert.deepEqual(took(2900, 4000), [1000]);
  assert.deepEqual(took(900, 2990), [100], 'answered before it was noticed that there is one again');
  assert.deepEqual(took(3500, 5040), [1540], 'the last probe is a while ago');
});

test('the first answer after each outage', () => {
  const answers = [500, 3200, 3100, 4000].map((to) => ({ to, code: 200 }));
  assert.deepEqual(firstAnswers([...answers, { to: 3050, code: 503 }], available), [100]);
});
