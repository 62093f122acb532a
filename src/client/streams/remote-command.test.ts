import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  channelMessage,
  channelProtocol,
  closeMessage,
  fromBase64,
  parseChannelMessage,
} from './channels.ts';
import { exitStatusOf } from './exit-status.ts';
import type { MessageSocket } from './message-socket.ts';
import { remotePath, runRemote } from './remote-command.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (b: Uint8Array | string) => (typeof b === 'string' ? b : new TextDecoder('latin1').decode(b));
const v5 = channelProtocol('v5.channel.k8s.io')!;
const v4 = channelProtocol('v4.channel.k8s.io')!;

test('messages carry their channel, in bytes or in base64', () => {
  assert.equal(text(channelMessage(v5, 2, bytes('hi'))), '\x02hi');
  assert.deepEqual(parseChannelMessage(v5, bytes('\x01out')), {
    channel: 1,
    bytes: bytes('out'),
    close: false,
  });
  assert.deepEqual(parseChannelMessage(v5, closeMessage(0))?.close, true);
  assert.equal(parseChannelMessage(v4, closeMessage(0))?.channel, 255);
  assert.equal(parseChannelMessage(v4, new Uint8Array(0)), undefined);
  const base64 = channelProtocol('v4.base64.channel.k8s.io')!;
  const long = Uint8Array.from({ length: 20_000 }, (_, i) => i);
  const message = channelMessage(base64, 1, long);
  assert.equal(typeof message, 'string');
  assert.deepEqual(parseChannelMessage(base64, bytes(message as string))?.bytes, long);
  assert.throws(() => fromBase64('%'));
});

test('the status of the end: a code, or what went wrong', () => {
  assert.deepEqual(exitStatusOf('{"metadata":{},"status":"Success"}'), { code: 0, message: '' });
  const details = { causes: [{ reason: 'ExitCode', message: '7' }] };
  const failed = { status: 'Failure', reason: 'NonZeroExitCode', message: 'ended with 7', details };
  assert.deepEqual(exitStatusOf(JSON.stringify(failed)), { code: 7, message: 'ended with 7' });
  const error = { status: 'Failure', reason: 'InternalError', message: 'no', code: 500 };
  assert.throws(() => exitStatusOf(JSON.stringify(error)), { code: 500, message: 'no' });
  assert.throws(() => exitStatusOf('plain words'), { message: 'plain words' });
});

test('the path says what is to be connected', () => {
  const target = { namespace: 'ns', pod: 'p', container: 'c' };
  const all = { stdin: (async function* () {})(), stdout() {}, stderr() {} };
  assert.equal(
    remotePath('exec', target, all, ['sh', '-c', 'a b']),
    '/api/v1/namespaces/ns/pods/p/exec?command=sh&command=-c&command=a+b&container=c&stdin=true&stdout=true&stderr=true',
  );
  assert.equal(
    remotePath('attach', { namespace: 'ns', pod: 'p' }, { ...all, stdin: undefined, tty: true }),
    '/api/v1/namespaces/ns/pods/p/attach?stdout=true&tty=true',
  );
});

/** A server that sends what it is told to. */
function fake(protocol: string, sent: string[], received: string[] = []): MessageSocket {
  return {
    protocol,
    send: async (message) => void received.push(text(message)),
    async *messages() {
      for (const message of sent) yield bytes(message);
    },
    close() {},
    terminate() {},
    closed: Promise.resolve({ code: 1006, reason: '' }),
    isOpen: () => true,
  };
}

test('a command runs to its status, and its input ends', async () => {
  const received: string[] = [];
  let out = '';
  const socket = fake(
    'v5.channel.k8s.io',
    ['\x01', '\x01a', '\x02b', '\x03{"status":', '\x03"Success"}'],
    received,
  );
  const exit = await runRemote(socket, {
    stdin: (async function* () {
      yield bytes('in');
    })(),
    stdout: (b) => void (out += text(b)),
    stderr: (b) => void (out += text(b).toUpperCase()),
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([exit.code, out, received], [0, 'aB', ['\0in', '\xff\0']]);
});

test('a connection that breaks, and a server that speaks otherwise, are failures', async () => {
  await assert.rejects(
    runRemote(fake('v5.channel.k8s.io', ['\x01a']), {}),
    /connection closed before the end: 1006/,
  );
  await assert.rejects(runRemote(fake('channel.k8s.io', []), {}), /no protocol/);
  const stdout = () => Promise.reject(new Error('disk full'));
  await assert.rejects(runRemote(fake('v5.channel.k8s.io', ['\x01a']), { stdout }), /disk full/);
});
