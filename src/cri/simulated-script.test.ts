import assert from 'node:assert/strict';
import { test } from 'node:test';
import { courseOf, durationMs, execute } from './simulated-script.ts';

test('reads simple commands', () => {
  const end = (...argv: string[]) => courseOf(argv).end;
  assert.deepEqual(end('sleep', '2'), { atMs: 2000, code: 0 });
  assert.deepEqual(end('/bin/sh', '-c', 'sleep 1; exit 3'), { atMs: 1000, code: 3 });
  assert.deepEqual(end('sh', '-ec', 'false'), { atMs: 0, code: 1 });
  assert.deepEqual(end('sh', '-c', 'false\nexit'), { atMs: 0, code: 1 });
  assert.deepEqual(end('/bin/true'), { atMs: 0, code: 0 });
  for (const forever of [[], ['nginx'], ['sleep', 'infinity'], ['sh', '-c', 'while true; do date; done']]) {
    assert.equal(end(...forever), undefined, forever.join(' '));
  }
});

test('writes what echo says, when it says it', () => {
  const { output } = courseOf(['bash', '-c', `echo "hello  world" && sleep 0.5 && echo 'bye'`]);
  assert.deepEqual(output, [
    { atMs: 0, text: 'hello  world' },
    { atMs: 500, text: 'bye' },
  ]);
});

test('executes at once', () => {
  assert.deepEqual(execute(['cat', '/tmp/ready']), { stdout: '', code: 0, tookMs: 0 });
  assert.deepEqual(execute(['sh', '-c', 'echo no; exit 1']), { stdout: 'no\n', code: 1, tookMs: 0 });
});

test('durations', () => {
  assert.deepEqual(['5', '5s', '200ms', '1.5m', 'x', ''].map(durationMs), [
    5000,
    5000,
    200,
    90000,
    undefined,
    undefined,
  ]);
});
