// Our own client against our API server and a real containerd; and what older WebSocket clients send.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { configMaps } from '../../src/api/core/config-map.ts';
import { portForward } from '../../src/client/streams/node/port-forward.ts';
import { attachStream, execStream } from '../../src/client/streams/node/remote.ts';
import type { RemoteStreams } from '../../src/client/streams/remote-command.ts';
import { type Bench, startBench } from './harness.ts';

let bench: Bench;
before(async () => {
  bench = await startBench();
  await bench.startPod('one', {
    main: { command: ['sh', '-c', 'trap exit TERM; echo started; while :; do sleep 0.1; done'] },
  });
});
after(() => bench[Symbol.asyncDispose]());

const target = { namespace: 'default', pod: 'one' };
async function* input(...chunks: (string | Buffer)[]) {
  for (const chunk of chunks) yield Buffer.from(chunk);
}
/** Runs to the end, and gives what it wrote. */
async function exec(command: string[], streams: RemoteStreams = {}, signal?: AbortSignal) {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const exit = await execStream({
    ...{ request: bench.request, ...target, command, signal },
    stdout: (bytes) => void out.push(bytes),
    stderr: (bytes) => void err.push(bytes),
    ...streams,
  });
  return { exit, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

test('execStream gives output, errors and the exit code', async () => {
  const { exit, stdout, stderr } = await exec(['sh', '-c', 'echo out; echo err >&2; exit 9']);
  assert.deepEqual([exit.code, stdout.toString(), stderr], [9, 'out\n', 'err\n']);
  assert.match(exit.message, /exit code 9/);
});

test('execStream carries megabytes both ways, and holds the remote side back', async () => {
  const big = randomBytes(8 << 20);
  const slow: Uint8Array[] = [];
  const { exit } = await exec(['cat'], {
    stdin: input(big.subarray(0, 5 << 20), big.subarray(5 << 20)),
    async stdout(bytes) {
      slow.push(bytes);
      if (slow.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  });
  assert.equal(exit.code, 0);
  assert.ok(Buffer.concat(slow).equals(big));
});

test('execStream has a terminal, and changes its size', async () => {
  const sizes = async function* () {
    yield { width: 80, height: 24 };
    await new Promise((resolve) => setTimeout(resolve, 50));
    yield { width: 111, height: 44 };
  };
  const script = ['sh', '-c', 'sleep 0.3; stty size; exit 4'];
  const { stdout, exit } = await exec(script, { tty: true, resize: sizes() });
  assert.deepEqual([stdout.toString(), exit.code], ['44 111\r\n', 4]);
});

test('execStream rejects with what is wrong', async () => {
  await assert.rejects(exec(['/no/such']), { message: /no such file or directory/, code: 500 });
  const missing = {
    request: bench.request,
    namespace: 'default',
    pod: 'none',
    command: ['true'],
    stdout() {},
  };
  await assert.rejects(execStream(missing), { code: 404, message: 'pods "none" not found' });
  await assert.rejects(execStream({ ...missing, request: { server: 'https://127.0.0.1:1' } }), { code: 503 });
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('enough')), 200);
  await assert.rejects(exec(['sleep', '1000'], {}, stop.signal), /enough/);
});

test('attachStream follows what runs to its end', async () => {
  const command = ['sh', '-c', 'while read line; do echo "got $line"; done; echo over; exit 2'];
  await bench.startPod('attached', { main: { command, stdin: true } });
  let out = '';
  const exit = await attachStream({
    ...{ request: bench.request, namespace: 'default', pod: 'attached' },
    stdin: (async function* () {
      yield Buffer.from('one\n');
      while (!out.includes('got one')) await new Promise((resolve) => setTimeout(resolve, 20));
      await bench.kubectl(['exec', 'attached', '--', 'sh', '-c', 'kill 1; kill -9 $(pgrep -o sh)']);
    })(),
    stdout: (bytes) => void (out += Buffer.from(bytes)),
  });
  assert.deepEqual([exit.code, out.split('\n')[0]], [0, 'got one']);
});

test('portForward carries connections, and says when nobody is there', async () => {
  await bench.startPod('web', {
    main: { command: ['sh', '-c', 'mkdir /w; echo home > /w/index.html; exec httpd -f -p 80 -h /w'] },
  });
  await using forward = await portForward({ request: bench.request, namespace: 'default', pod: 'web' });
  const get = async () => {
    const connection = forward.connect(80);
    connection.write('GET / HTTP/1.0\r\n\r\n');
    return text(connection);
  };
  for (const page of await Promise.all([get(), get(), get()])) assert.match(page, /200 OK[\s\S]*home\n$/);
  const [error] = await once(forward.connect(81), 'error');
  assert.match(error.message, /connection refused/i);
  assert.match(await get(), /home/);
});

/** The messages of a WebSocket until it is closed. */
async function messages(path: string, protocols: string[], send?: (ws: WebSocket) => void) {
  const { server, tls } = bench.request;
  const ws = new WebSocket(server.replace('https', 'wss') + path, protocols, { ...tls });
  const got: { data: string; binary: boolean }[] = [];
  ws.on('message', (data, binary) => got.push({ data: data.toString('latin1'), binary }));
  await once(ws, 'open');
  send?.(ws);
  const [code] = await once(ws, 'close');
  return { got, code, protocol: ws.protocol };
}
const pod = '/api/v1/namespaces/default/pods/one';

test('older protocols of exec: text of errors before v4, base64, and an empty message first', async () => {
  const path = (script: string) =>
    `${pod}/exec?stdout=1&stderr=1&command=sh&command=-c&command=${encodeURIComponent(script)}`;
  const v1 = await messages(path('echo hi; exit 3'), ['channel.k8s.io']);
  assert.deepEqual(
    v1.got.map((m) => m.data),
    [
      '\x01',
      '\x01hi\n',
      '\x03command terminated with non-zero exit code: error executing command [sh -c echo hi; exit 3], exit code 3',
    ],
  );
  assert.deepEqual([v1.code, v1.protocol], [1000, 'channel.k8s.io']);
  const none = await messages(path('echo hi'), []);
  assert.deepEqual(
    none.got.map((m) => m.data),
    ['\x01', '\x01hi\n', '\x03'],
  );
  const v4 = await messages(path('exit 3'), ['v4.channel.k8s.io']);
  const status = JSON.parse(v4.got.at(-1)!.data.slice(1));
  assert.deepEqual(
    [status.reason, status.details.causes],
    ['NonZeroExitCode', [{ reason: 'ExitCode', message: '3' }]],
  );
  const base64 = await messages(path('echo hi'), ['v9.unknown', 'v4.base64.channel.k8s.io']);
  assert.deepEqual(base64.got.slice(0, 2), [
    { data: '1', binary: false },
    { data: '1aGkK', binary: false },
  ]);
  await assert.rejects(messages(path('true'), ['v9.unknown']), /400/);
});

test('input over v4 and v5: a message for each channel', async () => {
  const path = `${pod}/exec?stdin=1&stdout=1&command=head&command=-c5`;
  const v4 = await messages(path, ['v4.channel.k8s.io'], (ws) => ws.send(Buffer.from('\0hello world')));
  assert.equal(
    v4.got
      .filter((m) => m.data[0] === '\x01')
      .map((m) => m.data.slice(1))
      .join(''),
    'hello',
  );
});

test('logs over WebSocket, binary and base64', async () => {
  const binary = await messages(`${pod}/log`, ['binary.k8s.io']);
  assert.equal(binary.got.map((m) => m.data).join(''), 'started\n');
  assert.ok(binary.got.every((m) => m.binary));
  const base64 = await messages(`${pod}/log`, ['base64.binary.k8s.io']);
  assert.equal(atob(base64.got.map((m) => m.data).join('')), 'started\n');
});

test('a watch over WebSocket sends each event as a text message', async () => {
  const { client } = bench;
  const path =
    '/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dwatched';
  const watched = messages(path, []);
  await client(configMaps).create({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'watched', namespace: 'default' } },
  } as never);
  const events = (await watched).got.map((m) => ({ ...JSON.parse(m.data), binary: m.binary }));
  assert.deepEqual(
    events.map(({ type, object, binary }) => [type, object.metadata.name, binary]),
    [['ADDED', 'watched', false]],
  );
});

test('port forwarding over channels, as before SPDY was tunnelled', async () => {
  const path = '/api/v1/namespaces/default/pods/web/portforward?ports=80';
  const { got } = await messages(path, ['v4.channel.k8s.io'], (ws) =>
    ws.send(Buffer.from('\0GET / HTTP/1.0\r\n\r\n')),
  );
  const port = '\x50\x00';
  assert.deepEqual(
    got.slice(0, 2).map((m) => m.data),
    [`\x01${port}`, `\x00${port}`],
  );
  assert.match(
    got
      .slice(2)
      .map((m) => m.data.slice(1))
      .join(''),
    /200 OK[\s\S]*home\n$/,
  );
});

test('a browser’s token is one of the subprotocols', async () => {
  const { server, tls } = bench.request;
  const bearer = `base64url.bearer.authorization.k8s.io.${Buffer.from('wrong').toString('base64url')}`;
  const ws = new WebSocket(`${server.replace('https', 'wss')}${pod}/log`, [bearer, 'binary.k8s.io'], {
    ca: tls!.ca,
  });
  const [, response] = await once(
    ws.on('error', () => {}),
    'unexpected-response',
  );
  assert.equal(response.statusCode, 401);
  ws.terminate();
});
