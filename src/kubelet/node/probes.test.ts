import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { HttpProbe } from '../host.ts';
import { grpcProbe } from './grpc-probe.ts';
import { httpProbe, tcpProbe } from './probes.ts';

test('http: status, redirects, headers, time', async () => {
  const server = createServer((request, response) => {
    const url = request.url!;
    if (url === '/slow') return;
    const location = url === '/near' ? '/ok' : url === '/far' ? 'http://example.invalid/' : undefined;
    const status = location ? 302 : url === '/bad' ? 500 : 200;
    response.writeHead(status, location ? { location } : {});
    response.end(url === '/headers' ? JSON.stringify(request.headers) : 'body');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const probe = (path: string, more: Partial<HttpProbe> = {}) =>
    httpProbe({
      ...{ scheme: 'http', host: '127.0.0.1', port, path, headers: [], timeoutMs: 300, agent: 'kube-probe' },
      ...more,
    });
  try {
    assert.deepEqual(await probe('/ok'), { result: 'success', output: 'body' });
    assert.deepEqual(await probe('/bad'), {
      result: 'failure',
      output: 'HTTP probe failed with statuscode: 500',
    });
    assert.deepEqual(await probe('/near'), { result: 'success', output: 'body' });
    assert.equal((await probe('/far')).result, 'warning');
    const { output } = await probe('/headers', {
      headers: [
        { name: 'Host', value: 'boat' },
        { name: 'X-A', value: '1' },
      ],
    });
    const headers = JSON.parse(output);
    assert.deepEqual(
      [headers.host, headers['x-a'], headers['user-agent'], headers.accept],
      ['boat', '1', 'kube-probe/1.36', '*/*'],
    );
    assert.match((await probe('/slow')).output, /context deadline exceeded/);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  assert.deepEqual(await probe('/ok'), {
    result: 'failure',
    output: `Get "http://127.0.0.1:${port}/ok": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
});

test('tcp: open or not', async () => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(await tcpProbe('127.0.0.1', port, 1000), { result: 'success', output: '' });
  await new Promise((resolve) => server.close(resolve));
  const closed = await tcpProbe('127.0.0.1', port, 1000);
  assert.deepEqual(closed, {
    result: 'failure',
    output: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
});

test('grpc: serving, not serving, not there', async () => {
  const server = new Server();
  const path = '/grpc.health.v1.Health/Check';
  const plain = { requestStream: false, responseStream: false } as const;
  const service = {
    check: {
      ...{ path, ...plain },
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  };
  // Field 1 of the request is the service's name, field 1 of the answer its state: 1 serving, 2 not.
  server.addService(service, {
    check: (call: { request: Buffer }, answer: (error: null, bytes: Buffer) => void) =>
      answer(null, Buffer.from([8, call.request.includes('sick') ? 2 : 1])),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  );
  assert.deepEqual(await grpcProbe('127.0.0.1', port, '', 1000), {
    result: 'success',
    output: 'service healthy',
  });
  const sick = await grpcProbe('127.0.0.1', port, 'sick', 1000);
  assert.deepEqual(sick, { result: 'failure', output: 'service unhealthy (responded with "NOT_SERVING")' });
  server.forceShutdown();
  assert.match((await grpcProbe('127.0.0.1', port, '', 300)).output, /^timeout: failed to connect service/);
});
