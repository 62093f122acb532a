import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../api/apiextensions/v1.gen.ts';
import { type Document, type OpenAPI, openAPI } from '../../api/openapi.ts';
import { mergeDocuments } from '../aggregation/openapi-documents.ts';
import type { ApiServer } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { PathHandler } from './handler.ts';
import { version } from './version.ts';

/** Clients ask with an `@`, which a media type cannot have: the answer says it with a dot. */
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** `/openapi/v2` and `/openapi/v3`: made when first asked for, and again when what is served changes. */
export function openApiPaths(): PathHandler {
  const made = new WeakMap<ApiServer, OpenAPI>();
  const generations = new WeakMap<ApiServer, number>();
  const followed = new WeakSet<ApiServer>();
  const documents = (server: ApiServer): OpenAPI => {
    const known = made.get(server);
    const { generation } = server.remoteOpenAPI;
    if (known && generations.get(server) === generation) return known;
    generations.set(server, generation);
    const { scheme } = server.registry;
    if (!followed.has(server)) scheme.onChange(() => made.delete(server));
    followed.add(server);
    const served = scheme.all();
    const documents = openAPI({
      version: version.gitVersion,
      texts: server.options.descriptions,
      extend: (doc) => mergeDocuments(doc, server.remoteOpenAPI.documents),
      kinds: served.filter((s) => !s.custom).map((s) => s.kind),
      custom: served
        .filter((s) => s.custom)
        .map(({ kind }) => ({ kind, schema: schemaOf(server, kind.group, kind.plural, kind.version) })),
    });
    made.set(server, documents);
    return documents;
  };

  return async (server, exchange, user) => {
    if (!exchange.path.startsWith('/openapi/')) return false;
    if (server.remotes.any) await server.remoteOpenAPI.refresh();
    const accept = exchange.header('accept') ?? '';
    if (exchange.path === '/openapi/v2') {
      const wantsProtobuf = accept.includes('proto-openapi.spec.v2');
      const { v2Protobuf, v2Json } = documents(server);
      return send(
        exchange,
        wantsProtobuf ? v2Protobuf() : v2Json(),
        wantsProtobuf ? protobufType : 'application/json',
      );
    }
    if (exchange.path === '/openapi/v3')
      return send(exchange, documents(server).v3Index(server.remoteOpenAPI.index), 'application/json');
    const groupVersion = exchange.path.slice('/openapi/v3/'.length);
    const remote = await server.remoteOpenAPI.v3(groupVersion, exchange.search.slice(1), user);
    if (remote) {
      exchange.respond(remote.code, remote.headers, remote.body);
      return true;
    }
    const document = documents(server).v3(groupVersion);
    return document ? send(exchange, document, 'application/json') : false;
  };
}

/** The schema of one version of a custom resource. */
function schemaOf(server: ApiServer, group: string, plural: string, name: string): any {
  const cache = server.registry.caches.of(customResourceDefinitions)!;
  const crd = cache.get(`${cache.prefix}${plural}.${group}`)?.object as unknown as
    | CustomResourceDefinition
    | undefined;
  return crd?.spec.versions.find((v) => v.name === name)?.schema?.openAPIV3Schema;
}

function send(exchange: Exchange, { bytes, etag }: Document, type: string): true {
  const quoted = `"${etag}"`;
  const hash = exchange.query.get('hash');
  const caching = hash === etag ? 'public, immutable, max-age=31536000' : 'no-cache, private';
  if (exchange.header('if-none-match') === quoted)
    exchange.respond(304, { etag: quoted, 'cache-control': caching }, '');
  else
    exchange.respond(
      200,
      { 'content-type': type, etag: quoted, vary: 'Accept', 'cache-control': caching },
      bytes,
    );
  return true;
}
