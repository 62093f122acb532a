import type { Group } from '../discovery/catalog.ts';
import { aggregated, apiGroup, apiGroupList, hash, resourceList } from '../discovery/discovery.ts';
import { flowControlPaths } from '../flow-control/dump.ts';
import { healthPaths } from '../health/paths.ts';
import type { ApiServer } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { PathHandler } from './handler.ts';
import { version } from './version.ts';

interface Document {
  text: string;
  etag: string;
}

const documentOf = (body: unknown): Document => {
  const text = JSON.stringify(body);
  return { text, etag: `"${hash(text)}"` };
};

function send(exchange: Exchange, { text, etag }: Document, type = 'application/json'): true {
  if (exchange.header('if-none-match') === etag) exchange.respond(304, { etag }, '');
  else exchange.respond(200, { 'content-type': type, etag, vary: 'Accept', 'cache-control': 'public' }, text);
  return true;
}
const json = (exchange: Exchange, body: unknown, type?: string): true =>
  send(exchange, documentOf(body), type);

/** The long documents, which are asked for again and again: by the groups that they are of, as long as those are the same. */
const aggregates = new WeakMap<Group[], Map<string, Document>>();

function aggregateOf(groups: Group[], core: boolean, version: 'v2' | 'v2beta1'): Document {
  let made = aggregates.get(groups);
  if (!made) aggregates.set(groups, (made = new Map()));
  const key = `${core ? 'api' : 'apis'} ${version}`;
  let document = made.get(key);
  if (!document) {
    const mine = groups.filter((g) => (g.name === '') === core);
    made.set(key, (document = documentOf(aggregated(mine, version))));
  }
  return document;
}

/** `v2` for who asks for `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList` before plain JSON. */
function aggregatedVersion(exchange: Exchange): 'v2' | 'v2beta1' | undefined {
  for (const range of (exchange.header('accept') ?? '').split(',')) {
    const [type, ...params] = range.split(';').map((p) => p.trim());
    if (type !== 'application/json') continue;
    if (params.includes('as=APIGroupDiscoveryList')) {
      if (params.includes('v=v2')) return 'v2';
      if (params.includes('v=v2beta1')) return 'v2beta1';
    } else return undefined;
  }
  return undefined;
}

const discovery: PathHandler = (server, exchange) => {
  const parts = exchange.path.split('/').filter(Boolean);
  const groups = server.catalog.groups();
  if (parts[0] !== 'api' && parts[0] !== 'apis') return false;
  const core = parts[0] === 'api';
  const mine = groups.filter((g) => (g.name === '') === core);
  if (parts.length === 1) {
    const v = aggregatedVersion(exchange);
    if (v)
      return send(
        exchange,
        aggregateOf(groups, core, v),
        `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`,
      );
    return core
      ? json(exchange, { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] })
      : json(exchange, apiGroupList(groups));
  }
  const group = core ? mine[0] : mine.find((g) => g.name === parts[1]);
  const wanted = parts[core ? 1 : 2];
  if (!group || parts.length > (core ? 2 : 3)) return false;
  if (wanted === undefined) return json(exchange, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) });
  const found = group.versions.find((v) => v.version === wanted);
  return found ? json(exchange, resourceList(group.name, found.version, found.kinds)) : false;
};

const about: PathHandler = async (server, exchange) => {
  switch (exchange.path) {
    case '/version':
    case '/version/':
      return json(exchange, version);
    case '/.well-known/openid-configuration':
      return json(exchange, {
        issuer: server.tokens.issuer,
        jwks_uri: `${server.tokens.issuer}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      });
    case '/openid/v1/jwks':
      return json(exchange, await server.tokens.jwks(), 'application/jwk-set+json');
    case '/':
      return json(exchange, { paths: pathsOf(server) });
    default:
      return false;
  }
};

const pathsOf = (server: ApiServer): string[] => [
  '/.well-known/openid-configuration',
  '/api',
  '/api/v1',
  '/apis',
  ...server.catalog
    .groups()
    .filter((g) => g.name)
    .flatMap((g) => [`/apis/${g.name}`, ...g.versions.map((v) => `/apis/${g.name}/${v.version}`)]),
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/readyz',
  '/version',
];

/** Paths outside the resources, in the order in which they are tried. */
export const builtInPaths: PathHandler[] = [healthPaths, about, discovery, flowControlPaths];
