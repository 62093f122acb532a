// `proxy` subresources, with the real kubectl and with fetch, to a server where a pod could be.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { WebSocket, WebSocketServer } from 'ws';
import { pods } from '../../src/api/core/pod.ts';
import { type Bench, serve, startBench } from './harness.ts';

let bench: Bench;
let target: Server;
let port: number;
const sockets = new WebSocketServer({ noServer: true });
const page =
  '<html><body><a href="/rewriteme">test</a> <a href=\'x/y\'>near</a> <img src=/i.png></body></html>';
const big = randomBytes(6 << 20);

before(async () => {
  bench = await startBench();
  // Pods' network begins at the bridge: its own address is one that only this machine has.
  const ip = (await bench.startPod('web', { main: { command: ['sleep', '1000'] } })).replace(/\d+$/, '1');
  target = createServer(async (request, response) => {
    const { method, url, headers } = request;
    if (url === '/page') return response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
    if (url === '/zipped')
      return response
        .writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
        .end(gzipSync(page));
    if (url === '/moved') return response.writeHead(302, { location: '/there?x=1' }).end();
    if (url === '/away') return response.writeHead(302, { location: 'https://example.com/a' }).end();
    if (url === '/big') return response.end(big);
    if (url === '/drop') {
      response.write('part');
      return setTimeout(() => response.destroy(), 50);
    }
    const body = await buffer(request);
    response.setHeader('access-control-allow-origin', '*').setHeader('x-own', 'yes');
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    const hash = createHash('sha256').update(body).digest('hex');
    response.end(JSON.stringify({ method, url, headers, length: body.length, hash }));
  });
  target.on('upgrade', (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (ws) =>
      ws.on('message', (data) => ws.send(`${request.url} ${data}`)),
    ),
  );
  target.listen(0, ip);
  await once(target, 'listening');
  port = (target.address() as AddressInfo).port;
  const create = (name: string, address: string) =>
    bench
      .client(pods)
      .create({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' } },
        spec: { containers: [{ name: 'main', image: 'x', ports: [{ containerPort: port }] }] },
      } as never)
      .then(() =>
        bench
          .client(pods)
          .patch(
            name,
            { status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] } },
            { namespace: 'default', subresource: 'status', type: 'merge' },
          ),
      );
  await create('server', ip);
  await create('loop', '127.0.0.1');
  await create('metadata', '169.254.169.254');
  await serve(bench.client, 'front', 'server', ip, port);
});
after(async () => {
  target.closeAllConnections();
  target.close();
  await bench[Symbol.asyncDispose]();
});

const base = '/api/v1/namespaces/default';
/** A request over HTTP/1.1, with our certificate. */
async function ask(
  path: string,
  options: { method?: string; body?: Buffer; headers?: Record<string, string> } = {},
) {
  const { server, tls } = bench.request;
  const request = httpsRequest(server, {
    path,
    ...tls,
    agent: false,
    method: options.method,
    headers: options.headers,
  });
  request.end(options.body);
  const [response] = await once(request, 'response');
  return {
    code: response.statusCode,
    headers: response.headers,
    text: async () => text(response),
    body: async () => buffer(response),
  };
}
const raw = async (path: string) => {
  const { stdout, stderr } = await bench.kubectl(['get', '--raw', path]);
  return stdout || stderr;
};

test('kubectl get --raw reaches pods, services and the kubelet', async () => {
  assert.equal(JSON.parse(await raw(`${base}/pods/server/proxy/a/b?c=d`)).url, '/a/b?c=d');
  assert.equal(JSON.parse(await raw(`${base}/pods/http:server:${port}/proxy/`)).url, '/');
  for (const name of ['front:web', 'front:80', 'http:front:web'])
    assert.equal(JSON.parse(await raw(`${base}/services/${name}/proxy/x/y/`)).url, '/x/y/');
  assert.equal(await raw('/api/v1/nodes/node-1/proxy/stats/summary?a=1'), 'GET /stats/summary a=1');
  assert.equal(await raw('/api/v1/nodes/node-1:10250/proxy/metrics'), 'GET /metrics ');
});

test('all methods, with bodies as they come, and headers that are the target’s business', async () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET']) {
    const body = method === 'GET' ? undefined : big;
    const { code, headers, text } = await ask(`${base}/services/front:web/proxy/p`, {
      ...{ method, body },
      headers: {
        authorization: 'Bearer secret',
        'x-mine': '1',
        connection: 'x-mine2',
        'x-mine2': '2',
        'transfer-encoding': 'chunked',
      },
    }).catch((error) => assert.fail(`${method}: ${error}`));
    // A token beside the certificate is not asked for.
    assert.equal(code, 200);
    const seen = JSON.parse(await text());
    assert.deepEqual([seen.method, seen.url, seen.length], [method, '/p', body?.length ?? 0]);
    if (body) assert.equal(seen.hash, createHash('sha256').update(body).digest('hex'));
    assert.equal(seen.headers['x-mine'], '1');
    assert.deepEqual([seen.headers['x-mine2'], seen.headers.authorization], [undefined, undefined]);
    assert.equal(seen.headers['x-forwarded-uri'], `${base}/services/front:web/proxy/p`);
    assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
    assert.deepEqual([headers['x-own'], headers['access-control-allow-origin']], ['yes', undefined]);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  }
  const head = await ask(`${base}/pods/server/proxy/p`, { method: 'HEAD' });
  assert.deepEqual([head.code, head.headers['x-own'], await head.text()], [200, 'yes', '']);
  assert.ok((await (await ask(`${base}/pods/server/proxy/big`)).body()).equals(big));
});

test('paths arrive as they are written, and do not lead upwards', async () => {
  const urlOf = async (rest: string) =>
    JSON.parse(await (await ask(`${base}/pods/server/proxy${rest}`)).text()).url;
  assert.equal(await urlOf('/x%2Fy//z/?q=%20a'), '/x%2Fy//z/?q=%20a');
  assert.equal(await urlOf('/a/../../b'), '/b');
});

test('over HTTP/2 too', async () => {
  const { server, tls } = bench.request;
  const session = connectHttp2(server, tls);
  const stream = session.request({
    ':method': 'POST',
    ':path': `${base}/pods/server/proxy/h2`,
    te: 'trailers',
  });
  stream.end('hello');
  const [headers] = await once(stream, 'response');
  const seen = JSON.parse(await text(stream));
  assert.deepEqual([headers[':status'], seen.length, seen.url], [200, 5, '/h2']);
  assert.equal(seen.headers.host, new URL(server).host);
  session.close();
});

test('links and redirects stay in the proxy', async () => {
  const prefix = `${base}/pods/server:${port}/proxy`;
  const links = page.replace('"/rewriteme"', `"${prefix}/rewriteme"`).replace('/i.png', `"${prefix}/i.png"`);
  assert.equal(await (await ask(`${prefix}/page`)).text(), links);
  const zipped = await ask(`${prefix}/zipped`, { headers: { 'accept-encoding': 'gzip' } });
  assert.deepEqual([zipped.headers['content-encoding'], await zipped.text()], [undefined, links]);
  const moved = await ask(`${prefix}/moved`);
  assert.deepEqual([moved.code, moved.headers.location], [302, `${prefix}/there?x=1`]);
  assert.equal((await ask(`${prefix}/away`)).headers.location, 'https://example.com/a');
  const slash = await ask(`${prefix}?a=b`);
  assert.deepEqual([slash.code, slash.headers.location], [301, `${prefix}/?a=b`]);
});

test('where nothing is, or nobody may go', async () => {
  const refused = async (path: string) => {
    const answer = await ask(path);
    return `${answer.code} ${JSON.parse(await answer.text()).message}`;
  };
  assert.equal(await refused(`${base}/pods/loop:80/proxy/`), '400 address not allowed');
  assert.equal(await refused(`${base}/pods/metadata:80/proxy/`), '400 address not allowed');
  assert.equal(await refused(`${base}/pods/none/proxy/`), '404 pods "none" not found');
  assert.equal(await refused(`${base}/pods/ftp:server:80/proxy/`), '400 invalid pod request "ftp:server:80"');
  assert.match(
    await refused(`${base}/pods/server:1/proxy/`),
    /^503 error trying to reach service: .*ECONNREFUSED/,
  );
  assert.equal(
    await refused(`${base}/services/front:99/proxy/`),
    '503 no service port 99 found for service "front"',
  );
  assert.equal(
    await refused(`${base}/services/front:no/proxy/`),
    '503 no endpoints available for service "front:no"',
  );
  assert.equal(await refused('/api/v1/nodes/none/proxy/'), '404 nodes "none" not found');
  const broken = await ask(`${base}/pods/server/proxy/drop`);
  await assert.rejects(broken.text(), /aborted/);
});

test('an upgrade goes through', async () => {
  const { server, tls } = bench.request;
  const ws = new WebSocket(`${server.replace('https', 'wss')}${base}/services/front:web/proxy/echo?q=1`, {
    ...tls,
  });
  await once(ws, 'open');
  ws.send('hello');
  const [data] = await once(ws, 'message');
  assert.equal(String(data), '/echo?q=1 hello');
  ws.close();
  await once(ws, 'close');
});
