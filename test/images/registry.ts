// An image registry on loopback, for tests that pull. Read only; API:
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md

import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readTarFiles } from '../../src/cri/node/tar.ts';

export interface RegistryImage {
  /** Path and tag as pulled: 'web:v1' for 127.0.0.1:PORT/web:v1. */
  readonly name: string;
  /** A docker-archive with one image. */
  readonly tarPath: string;
}

export interface Registry extends AsyncDisposable {
  readonly port: number;
  /** Host and port as they stand in image names. */
  readonly host: string;
  /** Paths asked for, in order. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface RegistryOptions {
  /** Asked for by HTTP Basic authentication, for tests of pull secrets. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

interface Blob {
  readonly type: string;
  readonly content: Uint8Array;
}

const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

const digestOf = (content: Uint8Array): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

async function blobsOf(tarPath: string): Promise<{ manifest: Blob; blobs: Blob[] }> {
  const json = (files: Map<string, Uint8Array>, name: string) =>
    JSON.parse(Buffer.from(files.get(name)!).toString());
  const [{ Config, Layers }] = json(await readTarFiles(tarPath, ['manifest.json']), 'manifest.json');
  const files = await readTarFiles(tarPath, [Config, ...Layers]);
  const config: Blob = { type: types.config, content: files.get(Config)! };
  const layers: Blob[] = Layers.map((name: string) => ({ type: types.layer, content: files.get(name)! }));
  const describe = ({ type, content }: Blob) => ({
    mediaType: type,
    digest: digestOf(content),
    size: content.length,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(config),
    layers: layers.map(describe),
  };
  const content = Buffer.from(JSON.stringify(manifest));
  return { manifest: { type: types.manifest, content }, blobs: [config, ...layers] };
}

/** Serves the images on a free port of 127.0.0.1 until it is closed. */
export async function startRegistry(
  images: readonly RegistryImage[],
  options: RegistryOptions = {},
): Promise<Registry> {
  const manifests = new Map<string, Blob>(); // 'web:v1' and 'web:sha256:...'
  const blobs = new Map<string, Blob>();
  for (const { name, tarPath } of images) {
    const image = await blobsOf(tarPath);
    const colon = name.lastIndexOf(':');
    manifests.set(name, image.manifest);
    manifests.set(`${name.slice(0, colon)}:${digestOf(image.manifest.content)}`, image.manifest);
    for (const blob of image.blobs) blobs.set(digestOf(blob.content), blob);
  }
  const { credentials } = options;
  const expected =
    credentials &&
    `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  const requests: string[] = [];

  const send = (response: ServerResponse, blob: Blob | undefined, withBody: boolean) => {
    if (!blob) {
      const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'not here' }] });
      response.writeHead(404, { 'content-type': 'application/json' }).end(withBody ? body : undefined);
      return;
    }
    response.writeHead(200, {
      'content-type': blob.type,
      'content-length': blob.content.length,
      'docker-content-digest': digestOf(blob.content),
    });
    response.end(withBody ? blob.content : undefined);
  };

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://registry').pathname;
    requests.push(path);
    if (expected && request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      return;
    }
    const [, repository, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    if (path === '/v2/' || path === '/v2') response.writeHead(200).end('{}');
    else if (kind === 'blobs') send(response, blobs.get(reference!), request.method === 'GET');
    else send(response, manifests.get(`${repository}:${reference}`), request.method === 'GET');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, host: `127.0.0.1:${port}`, requests, close, [Symbol.asyncDispose]: close };
}
