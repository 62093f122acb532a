import { connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { handle } from '../apiserver/http/handler.ts';
import { openApiPaths } from '../apiserver/http/openapi.ts';
import { builtInPaths } from '../apiserver/http/paths.ts';
import { metricsPaths } from '../apiserver/metrics/paths.ts';
import { serveHttps } from '../apiserver/node/https-server.ts';
import { shutDown } from '../apiserver/node/shutdown.ts';
import { createUpgradeHandler } from '../apiserver/node/streams/index.ts';
import { issue, makeAuthority } from '../cluster/node/certificates.ts';
import { processMetrics } from '../cluster/node/platform.ts';
import type { ControlPlane } from './control-plane.ts';

export interface Answer {
  code: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: Buffer;
  readonly text: string;
  readonly json: any;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | object;
  /** A client certificate's user; system:masters unless told; null for none. */
  as?: Identity | null;
  http2?: boolean;
  /** Called with each piece as it comes; return true to end. */
  onData?: (text: string) => boolean | undefined;
}

export interface Identity {
  cert: string;
  key: string;
}

export interface HttpsPlane extends AsyncDisposable {
  port: number;
  /** PEM of the authority that issued the server's certificate. */
  ca: string;
  ask(path: string, options?: Ask): Promise<Answer>;
  identity(commonName: string, organizations?: string[]): Promise<Identity>;
  /** As on SIGTERM: in place of disposing of it. */
  shutDown(delayMs: number): Promise<void>;
  /** One from an authority that the server does not know. */
  foreign(commonName: string): Promise<Identity>;
}

const answerOf = (code: number, headers: Answer['headers'], bytes: Buffer): Answer => ({
  code,
  headers,
  bytes,
  get text() {
    return bytes.toString();
  },
  get json() {
    return JSON.parse(bytes.toString());
  },
});

/** A control plane's API over HTTPS on loopback, and plain requests to it: for tests. */
export async function serveControlPlane(plane: ControlPlane): Promise<HttpsPlane> {
  const now = Date.now();
  const authority = await makeAuthority('test', now);
  const pair = await issue(authority, { commonName: 'kube-apiserver', hosts: ['127.0.0.1'] }, now);
  const closing = new AbortController();
  const paths = [...builtInPaths, metricsPaths(processMetrics), openApiPaths()];
  const https = await serveHttps({
    host: '127.0.0.1',
    port: 0,
    ...pair,
    clientCA: authority.cert,
    proxyCA: plane.server.options.requestHeader?.ca,
    handle: (exchange) => handle(plane.server, exchange, { paths, connectors: [], closing: closing.signal }),
    upgrade: createUpgradeHandler(plane.server, { find: () => undefined }),
  });
  const identity = (commonName: string, organizations: string[] = []) =>
    issue(authority, { commonName, organizations }, now);
  const admin = await identity('admin', ['system:masters']);
  const base = { host: '127.0.0.1', port: https.port, ca: authority.cert };

  const ask = (path: string, options: Ask = {}): Promise<Answer> => {
    const { method = 'GET', body, as = admin, onData } = options;
    const structured = typeof body === 'object' && !(body instanceof Uint8Array);
    const payload = structured ? JSON.stringify(body) : (body as string | Uint8Array | undefined);
    const headers = {
      ...(structured ? { 'content-type': 'application/json' } : {}),
      ...(payload === undefined ? {} : { 'content-length': String(Buffer.byteLength(payload)) }),
      ...options.headers,
    };
    const send = { path, method, payload, headers, onData, tls: { ...base, ...(as ?? {}) } };
    return options.http2 ? askHttp2(send) : askHttp1(send);
  };
  return {
    port: https.port,
    ca: authority.cert,
    ask,
    identity,
    shutDown: (delayMs) => shutDown({ server: plane.server, https: [https], closing, delayMs }),
    foreign: async (commonName) => issue(await makeAuthority('other', now), { commonName }, now),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await https.close();
    },
  };
}

interface Send {
  path: string;
  method: string;
  payload: string | Uint8Array | undefined;
  headers: Record<string, string>;
  onData: Ask['onData'];
  tls: object;
}

function askHttp1({ path, method, payload, headers, onData, tls }: Send): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ ...tls, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      const done = () => resolve(answerOf(response.statusCode!, response.headers, Buffer.concat(parts)));
      response.on('data', (part: Buffer) => {
        parts.push(part);
        if (onData?.(part.toString())) {
          done();
          request.destroy();
        }
      });
      response.on('end', done);
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(payload);
  });
}

function askHttp2({ path, method, payload, headers, onData, tls }: Send): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connect('https://127.0.0.1', tls as object);
    session.on('error', reject);
    const stream = session.request({ ':path': path, ':method': method, ...headers });
    const parts: Buffer[] = [];
    let seen: Record<string, any> = {};
    const done = () => {
      resolve(answerOf(seen[':status'], seen, Buffer.concat(parts)));
      session.destroy();
    };
    stream.on('response', (got) => (seen = got));
    stream.on('data', (part: Buffer) => {
      parts.push(part);
      if (onData?.(part.toString())) done();
    });
    stream.on('end', done);
    stream.on('error', reject);
    stream.end(payload);
  });
}
