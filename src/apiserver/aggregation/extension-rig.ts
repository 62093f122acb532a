// A small API server of another group, as people write them with apiserver-builder: for tests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { issue, type KeyPair, makeAuthority } from '../../cluster/node/certificates.ts';

export const group = 'wardle.example.com';
export const version = 'v1alpha1';
const base = `/apis/${group}/${version}`;

export interface Extension extends AsyncDisposable {
  port: number;
  /** PEM: who vouches for it. */
  ca: string;
  /** What it was asked, and by whom. */
  seen: { method: string; url: string; headers: IncomingMessage['headers']; proxy: string | undefined }[];
  /** Answers everything with 500 while set. */
  broken: boolean;
  /** Has the one document of all resources; without it, a list for each version. */
  aggregated: boolean;
}

export async function startExtension(proxyCA: string, serverName: string): Promise<Extension> {
  const authority = await makeAuthority('extension-ca', Date.now());
  const pair: KeyPair = await issue(authority, { commonName: 'extension', hosts: [serverName] }, Date.now());
  const flunders = new Map<string, any>();
  const watchers = new Set<ServerResponse>();
  const web = new WebSocketServer({ noServer: true });
  const extension = {
    ca: authority.cert,
    seen: [] as Extension['seen'],
    broken: false,
    aggregated: true,
  };
  const resource = {
    resource: 'flunders',
    responseKind: { group, version, kind: 'Flunder' },
    scope: 'Namespaced',
    singularResource: 'flunder',
    verbs: ['create', 'delete', 'get', 'list', 'watch'],
    subresources: [
      { subresource: 'shell', responseKind: { group, version, kind: 'Flunder' }, verbs: ['get'] },
    ],
  };
  const flunderType = {
    type: 'object',
    description: 'A flunder.',
    properties: { spec: { $ref: '#/definitions/example.FlunderSpec' } },
    'x-kubernetes-group-version-kind': [{ group, version, kind: 'Flunder' }],
  };
  const documents: Record<string, () => unknown> = {
    [base]: () => ({
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: `${group}/${version}`,
      resources: [
        {
          name: 'flunders',
          singularName: 'flunder',
          namespaced: true,
          kind: 'Flunder',
          verbs: resource.verbs,
        },
        { name: 'flunders/shell', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
      ],
    }),
    '/openapi/v3': () => ({
      paths: {
        [`apis/${group}/${version}`]: { serverRelativeURL: `/openapi/v3/apis/${group}/${version}?hash=ABC` },
        version: { serverRelativeURL: '/openapi/v3/version?hash=DEF' },
      },
    }),
    [`/openapi/v3${base}`]: () => ({ openapi: '3.0.0', info: { title: 'wardle' }, paths: {} }),
    '/openapi/v2': () => ({
      swagger: '2.0',
      info: { title: 'wardle', version: '1' },
      paths: {
        '/version/': { get: { responses: { 200: { description: 'OK' } } } },
        [`${base}/namespaces/{namespace}/flunders/{name}`]: {
          get: {
            operationId: 'readFlunder',
            responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/example.Flunder' } } },
          },
        },
      },
      definitions: {
        'example.Flunder': flunderType,
        'example.FlunderSpec': { type: 'object', properties: { reference: { type: 'string' } } },
        'example.Unused': { type: 'object' },
      },
    }),
  };

  const json = (response: ServerResponse, code: number, body: unknown, type = 'application/json') => {
    const text = JSON.stringify(body);
    response.writeHead(code, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'https://x');
    const { pathname } = url;
    if (extension.broken) return json(response, 500, { message: 'broken' });
    if (pathname === '/apis' && extension.aggregated && request.headers.accept?.includes('v=v2;')) {
      const items = [
        { metadata: { name: group }, versions: [{ version, resources: [resource], freshness: 'Current' }] },
      ];
      const type = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
      return json(response, 200, { kind: 'APIGroupDiscoveryList', items }, type);
    }
    if (documents[pathname]) return json(response, 200, documents[pathname]());
    if (pathname === `${base}/redirect`)
      return void response.writeHead(302, { location: 'https://elsewhere.example.com/' }).end();
    const match = new RegExp(`^${base}/namespaces/([^/]+)/flunders(?:/([^/]+))?$`).exec(pathname);
    if (!match)
      return json(response, 404, { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 });
    const name = match[2];
    if (request.method === 'POST') {
      let text = '';
      for await (const part of request) text += part;
      const flunder = JSON.parse(text);
      flunders.set(flunder.metadata.name, flunder);
      for (const watcher of watchers)
        watcher.write(`${JSON.stringify({ type: 'ADDED', object: flunder })}\n`);
      return json(response, 201, flunder);
    }
    if (request.method === 'DELETE') flunders.delete(name!);
    if (url.searchParams.get('watch')) {
      watchers.add(response);
      response.on('close', () => watchers.delete(response));
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      return;
    }
    if (name) return json(response, flunders.has(name) ? 200 : 404, flunders.get(name) ?? { kind: 'Status' });
    json(response, 200, { kind: 'FlunderList', items: [...flunders.values()] });
  }

  const server = createServer({ ...pair, ca: proxyCA, requestCert: true, rejectUnauthorized: false });
  const note = (request: IncomingMessage) => {
    const socket = request.socket as TLSSocket;
    const name = socket.authorized
      ? /CN=(.*)/.exec(String(socket.getPeerX509Certificate()?.subject))?.[1]
      : undefined;
    extension.seen.push({
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      proxy: name,
    });
  };
  server.on('request', (request, response) => {
    note(request);
    void answer(request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    note(request);
    web.handleUpgrade(request, socket, head, (ws) =>
      ws.on('message', (data) => ws.send(`${request.headers['x-remote-user']}: ${data}`)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(extension, {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const client of web.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
