import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusError } from '../../machinery/status.ts';
import { containerOf } from './pod-target.ts';
import { commandOf, logOptionsOf, portsOf, streamOptionsOf } from './stream-options.ts';

const query = (text: string) => new URLSearchParams(text);
const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return `${(error as StatusError).code} ${(error as StatusError).message}`;
  }
  return 'fine';
};

test('streams: what is to be connected; a terminal has no stderr', () => {
  assert.deepEqual(streamOptionsOf(query('stdin=1&stdout=true&stderr=false')), {
    ...{ stdin: true, stdout: true, stderr: false, tty: false },
  });
  assert.deepEqual(streamOptionsOf(query('stdout=1&stderr=1&tty=1')), {
    ...{ stdin: false, stdout: true, stderr: false, tty: true },
  });
  assert.equal(
    messageOf(() => streamOptionsOf(query('stdin=0'))),
    '400 you must specify at least 1 of stdin, stdout, stderr',
  );
  assert.deepEqual(commandOf(query('command=a&command=')), ['a', '']);
  assert.equal(
    messageOf(() => commandOf(query(''))),
    '400 you must specify at least one command for the container',
  );
});

test('ports: several, repeated or in a list', () => {
  assert.deepEqual(portsOf(query('ports=80,81&ports=82')), [80, 81, 82]);
  assert.deepEqual(portsOf(query('')), []);
  assert.match(
    messageOf(() => portsOf(query('ports=0'))),
    /^400 unable to parse "0" as a port/,
  );
});

test('logs: options, and what contradicts itself', () => {
  const options = logOptionsOf(
    query('follow=true&tailLines=0&sinceSeconds=5&limitBytes=9&timestamps=1'),
    'web',
  );
  assert.deepEqual(options, {
    ...{ follow: true, previous: false, timestamps: true, stream: 'All' },
    ...{ tailLines: 0, sinceSeconds: 5, sinceTime: undefined, limitBytes: 9 },
  });
  const refused = (text: string) => messageOf(() => logOptionsOf(query(text), 'web'));
  const invalid = '422 PodLogOptions "web" is invalid: ';
  assert.equal(
    refused('tailLines=-1'),
    `${invalid}tailLines: Invalid value: -1: must be greater than or equal to 0`,
  );
  assert.equal(refused('limitBytes=0'), `${invalid}limitBytes: Invalid value: 0: must be greater than 0`);
  assert.equal(refused('sinceSeconds=0'), `${invalid}sinceSeconds: Invalid value: 0: must be greater than 0`);
  assert.match(refused('sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z'), /at most one of `sinceTime` or/);
  assert.match(refused('stream=Other'), /stream: Unsupported value: "Other"/);
  assert.match(refused('stream=Stdout&tailLines=1'), /mutually exclusive/);
  assert.match(refused('tailLines=x'), /^400 /);
  assert.match(refused('sinceTime=x'), /^400 /);
});

test('the container meant', () => {
  const pod = (names: string[], more: object = {}) =>
    ({
      metadata: { name: 'web', ...more },
      spec: { containers: names.map((name) => ({ name })), initContainers: [{ name: 'init' }] },
    }) as never;
  assert.equal(containerOf(pod(['a']), '').name, 'a');
  assert.equal(containerOf(pod(['a', 'b']), 'b').name, 'b');
  assert.equal(containerOf(pod(['a', 'b']), 'init').name, 'init');
  const annotations = { 'kubectl.kubernetes.io/default-container': 'b' };
  assert.equal(containerOf(pod(['a', 'b'], { annotations }), '').name, 'b');
  assert.equal(
    messageOf(() => containerOf(pod(['a', 'b']), '')),
    '400 a container name must be specified for pod web, choose one of: [init a b]',
  );
  assert.equal(
    messageOf(() => containerOf(pod(['a']), 'x')),
    '400 container x is not valid for pod web',
  );
});
