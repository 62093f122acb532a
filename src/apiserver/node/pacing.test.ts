import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox, rounds } from './pacing.ts';

test('the first waits for nobody; what comes soon after goes together', async () => {
  const { join } = rounds();
  const outbox = new Outbox();
  const writes: string[] = [];
  const send = () => {
    const bytes = outbox.take();
    if (bytes) writes.push(Buffer.from(bytes).toString());
  };
  const put = (text: string) => {
    outbox.add(text);
    join(send);
  };
  put('a');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(writes, ['a']);
  put('b');
  await new Promise((resolve) => setImmediate(resolve));
  put('c');
  assert.equal(outbox.bytes, 2);
  while (outbox.bytes) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(writes, ['a', 'bc']);
});
