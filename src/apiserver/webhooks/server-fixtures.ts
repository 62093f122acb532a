// A server of webhooks on loopback, for tests.
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';

export interface HookServer extends AsyncDisposable {
  /** Base64 of the PEM of the authority that vouches for it. */
  caBundle: string;
  /** For a webhook's clientConfig. */
  at(path: string): { url: string; caBundle: string };
  /** Reviews as they came, by path. */
  seen: { path: string; query: string; review: any }[];
}

/** What a path answers: an object is sent as JSON, a number is a bare code, undefined nothing ever. */
export type Handlers = Record<string, (review: any) => object | number | undefined>;

export async function hookServer(handlers: Handlers): Promise<HookServer> {
  const now = Date.now();
  const authority = await makeAuthority('hooks', now);
  const pair = await issue(
    authority,
    { commonName: 'hook.default.svc', hosts: ['127.0.0.1', 'hook.default.svc'] },
    now,
  );
  const seen: HookServer['seen'] = [];
  const server = createServer(pair, async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const [path = '', query = ''] = request.url!.split('?');
    const review = JSON.parse(body || '{}');
    seen.push({ path, query, review });
    const answer = handlers[path]?.(review);
    if (answer === undefined) return;
    if (typeof answer === 'number') return void response.writeHead(answer).end('no');
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const caBundle = Buffer.from(authority.cert).toString('base64');
  return {
    caBundle,
    at: (path) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle }),
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An AdmissionReview that answers another. */
export const answerTo = ({ apiVersion, request }: any, response: object): object => ({
  kind: 'AdmissionReview',
  apiVersion,
  response: { uid: request.uid, allowed: true, ...response },
});

export const patchOf = (...operations: object[]): { patch: string; patchType: string } => ({
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  patchType: 'JSONPatch',
});
