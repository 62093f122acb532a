// A small API server of another group, as people write them with apiserver-builder, and what a cluster has to be told of it:
// for tests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { apiServices } from '../api/apiregistration/api-service.ts';
import { namespaces } from '../api/core/namespace.ts';
import { services } from '../api/core/service.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import { issue, type KeyPair, makeAuthority } from '../cluster/node/certificates.ts';
import type { Kind } from '../machinery/kind.ts';
import type { ControlPlane } from './control-plane.ts';
import { ExtensionObjects } from './extension-objects.ts';

export const group = 'wardle.example.com';
export const version = 'v1alpha1';
/** Its resource, for clients. */
export const flunders: Kind = {
  ...{ group, version, kind: 'Flunder', plural: 'flunders', singular: 'flunder', namespaced: true },
  ...{ shortNames: [], categories: [], subresources: {}, type: '', rules: {}, columns: [] },
  verbs: ['create', 'delete', 'get', 'list', 'watch'],
};
const base = `/apis/${group}/${version}`;

export interface Extension extends AsyncDisposable {
  port: number;
  /** PEM: who vouches for it. */
  ca: string;
  /** What it was asked, and by whom. */
  seen: { method: string; url: string; headers: IncomingMessage['headers']; proxy: string | undefined }[];
  objects: ExtensionObjects;
  /** What can be done with its resource. */
  verbs: string[];
  /** Answers everything with 500 while set. */
  broken: boolean;
  /** Ends all that is under way. */
  disconnect(): void;
  /** Has the one document of all resources; without it, a list for each version. */
  aggregated: boolean;
}

const codes: Record<string, number> = { NotFound: 404, MethodNotAllowed: 405, Expired: 410 };
const missing = (reason = 'NotFound', name?: string) => ({
  ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code: codes[reason] },
  message: name ? `flunders "${name}" not found` : reason,
  ...(name ? { details: { name, group, kind: 'flunders' } } : {}),
});

export async function startExtension(proxyCA: string, serverName: string): Promise<Extension> {
  const authority = await makeAuthority('extension-ca', Date.now());
  const pair: KeyPair = await issue(authority, { commonName: 'extension', hosts: [serverName] }, Date.now());
  const objects = new ExtensionObjects();
  const web = new WebSocketServer({ noServer: true });
  const extension = {
    ca: authority.cert,
    objects,
    verbs: ['create', 'delete', 'get', 'list', 'watch'],
    seen: [] as Extension['seen'],
    broken: false,
    aggregated: true,
  };
  const resource = () => ({
    resource: 'flunders',
    responseKind: { group, version, kind: 'Flunder' },
    scope: 'Namespaced',
    singularResource: 'flunder',
    verbs: extension.verbs,
    subresources: [
      { subresource: 'shell', responseKind: { group, version, kind: 'Flunder' }, verbs: ['get'] },
    ],
  });
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
          verbs: extension.verbs,
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
        { metadata: { name: group }, versions: [{ version, resources: [resource()], freshness: 'Current' }] },
      ];
      const type = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
      return json(response, 200, { kind: 'APIGroupDiscoveryList', items }, type);
    }
    if (documents[pathname]) return json(response, 200, documents[pathname]());
    if (pathname === `${base}/redirect`)
      return void response.writeHead(302, { location: 'https://elsewhere.example.com/' }).end();
    const match = new RegExp(`^${base}(?:/namespaces/([^/]+))?/flunders(?:/([^/]+))?$`).exec(pathname);
    if (!match) return json(response, 404, missing());
    const [, namespace, name] = match;
    if (url.searchParams.get('watch'))
      return follow(response, namespace, url.searchParams.get('resourceVersion'));
    if (request.method === 'POST') {
      let text = '';
      for await (const part of request) text += part;
      return json(response, 201, objects.create(namespace!, JSON.parse(text)));
    }
    if (!name && request.method === 'DELETE') {
      if (!extension.verbs.includes('deletecollection'))
        return json(response, 405, missing('MethodNotAllowed'));
      for (const { metadata } of objects.list(namespace)) objects.delete(namespace!, metadata.name);
    } else if (name) {
      const item =
        request.method === 'DELETE' ? objects.delete(namespace!, name) : objects.get(namespace!, name);
      return item ? json(response, 200, item) : json(response, 404, missing('NotFound', name));
    }
    const items = objects.list(namespace);
    json(response, 200, { kind: 'FlunderList', metadata: { resourceVersion: objects.version }, items });
  }

  function follow(response: ServerResponse, namespace: string | undefined, from: string | null): void {
    const send = (event: object) => void response.write(`${JSON.stringify(event)}\n`);
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    const stop = objects.watch(namespace, from, send);
    if (stop) response.on('close', stop);
    else response.end(`${JSON.stringify({ type: 'ERROR', object: missing('Expired') })}\n`);
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
    disconnect: () => server.closeAllConnections(),
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const client of web.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** The slice of a service, without endpoints. */
export const createSlice = (
  plane: ControlPlane,
  namespace: string,
  name: string,
  port: number,
): Promise<EndpointSlice> =>
  plane.client(endpointSlices).create({
    metadata: { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [],
    ports: [{ name: '', port, protocol: 'TCP' }],
  } as never);

/** Loopback is no address of an endpoint: the object is put where the server reads it. */
export async function putEndpoint({ server }: ControlPlane, slice: EndpointSlice): Promise<void> {
  const { caches, store } = server.registry;
  const { namespace, name } = slice.metadata;
  const cache = caches.of(endpointSlices)!;
  const { key, revision } = cache.get(`${cache.prefix}${namespace}/${name}`)!;
  const decoded = { ...slice, endpoints: [{ addresses: ['127.0.0.1'] }] };
  await store.txn(
    [{ key, target: 'mod', equals: revision }],
    [{ op: 'put', key, value: new TextEncoder().encode(JSON.stringify(decoded)), decoded }],
  );
}

/** Has the cluster's API server ask an extension that was started for `api.wardle.svc`. */
export async function register(plane: ControlPlane, extension: Extension): Promise<void> {
  const namespace = 'wardle';
  await plane.client(namespaces).create({ metadata: { name: namespace }, spec: {} });
  await plane.client(services).create({
    metadata: { name: 'api', namespace },
    spec: { ports: [{ port: 443 }] },
  } as never);
  await putEndpoint(plane, await createSlice(plane, namespace, 'api', extension.port));
  await plane.client(apiServices).create({
    metadata: { name: `${version}.${group}` },
    spec: {
      ...{ group, version, groupPriorityMinimum: 2000, versionPriority: 200 },
      service: { namespace, name: 'api', port: 443 },
      caBundle: Buffer.from(extension.ca).toString('base64'),
    },
  });
}
