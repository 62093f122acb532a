import type { ApiRequest } from '../../client/client.ts';
import {
  badRequest,
  forbidden,
  internalError,
  isStatusError,
  StatusError,
  unsupportedMediaType,
} from '../../machinery/status.ts';
import { refusal } from '../authz/authorizer.ts';
import { demandRight } from '../authz/demand.ts';
import type { Context, User } from '../context.ts';
import { perform } from '../perform.ts';
import type { Served } from '../scheme.ts';
import type { ApiServer } from '../server.ts';
import { recordWrite } from '../trace.ts';
import { authenticate } from './authenticate.ts';
import { checkBody, decodeBody } from './decode.ts';
import { encode, encodeResult, typeIdOf } from './encode.ts';
import type { Exchange } from './exchange.ts';
import { negotiate } from './negotiate.ts';
import { deleteOptions, optionsOf, parseTarget, type Target, verbOf } from './target.ts';
import { serveWatch } from './watch-stream.ts';

const maxBody = 3 << 20;
const patchTypes: Record<string, NonNullable<ApiRequest['patchType']>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Answers for paths outside the resources; true when the path was its own. */
export type PathHandler = (server: ApiServer, exchange: Exchange, user: User) => Promise<boolean> | boolean;

/** Long answers of a resource that are neither objects nor watches: logs, and what is proxied. True when it answered. */
export type Connector = (
  server: ApiServer,
  context: Context,
  target: Target,
  exchange: Exchange,
) => Promise<boolean>;

export interface HandlerOptions {
  paths: PathHandler[];
  connectors: Connector[];
  /** Aborts when the server shuts down: watches end then. */
  closing: AbortSignal;
}

/** What a request goes through once it is known who asks and for what. */
interface Step extends Required<Pick<HandlerOptions, 'connectors' | 'closing'>> {
  server: ApiServer;
  exchange: Exchange;
  target: Target;
  context: Context;
}

/** Handles one request from end to end. Never throws: whatever happens, the client gets a Status. */
export async function handle(server: ApiServer, exchange: Exchange, options: HandlerOptions): Promise<void> {
  const { metrics, registry } = server;
  const began = registry.clock.now();
  let context: Context | undefined;
  let code: number | undefined;
  metrics.inFlight++;
  try {
    const user = await authenticate(server, exchange);
    const target = parseTarget(exchange.path);
    const served = target && registry.scheme.resource(target.group, target.version, target.plural);
    if (target && served) {
      context = contextOf(server, exchange, user, target, served);
      for (const step of pipeline) if (await step({ server, exchange, target, context, ...options })) break;
    } else if (target) demandKnown(server, exchange, user, target);
    else await handlePath(server, exchange, user, options.paths);
  } catch (error) {
    code = fail(server, exchange, error);
  } finally {
    metrics.inFlight--;
    metrics.observe(context, exchange.method, code ?? context?.code ?? 200, registry.clock.now() - began);
  }
}

/** There is no such resource: those who could have asked for it learn that (404), others that they may not (403). */
function demandKnown(server: ApiServer, exchange: Exchange, user: User, target: Target): never {
  const { group, plural: resource, subresource, namespace, name } = target;
  const verb = verbOf(exchange.method, target, exchange.query);
  const attributes = { user, verb, group, resource, subresource, namespace, name };
  if (!server.authorizer.authorize(attributes))
    throw forbidden({ group, plural: resource }, name ?? '', refusal(attributes));
  throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** What is known of a request before its body is read. */
export const contextOf = (
  server: ApiServer,
  exchange: Exchange,
  user: User,
  target: Target,
  served: Served,
): Context => ({
  verb: verbOf(exchange.method, target, exchange.query),
  group: target.group,
  version: target.version,
  plural: target.plural,
  namespaced: served.kind.namespaced,
  namespace: target.namespace,
  name: target.name,
  subresource: target.subresource,
  options: optionsOf(exchange.query),
  user,
  served,
  nowMs: server.registry.clock.now(),
  userAgent: exchange.header('user-agent') ?? '',
  warnings: [],
  code: 200,
});

/** The order that a request takes. A step that answers returns true, and ends it. */
const pipeline: ((step: Step) => boolean | Promise<boolean>)[] = [
  authorize,
  connect,
  follow,
  decodeAndPerform,
];

function authorize({ server, context }: Step): boolean {
  authorizeVerb(server, context, context.verb);
  return false;
}

/** Throws 403 unless the one who asks may do this with what the context names. */
export function authorizeVerb(server: ApiServer, context: Context, verb: Context['verb']): void {
  demandRight(server.authorizer, context, verb);
}

async function connect({ server, exchange, target, context, connectors }: Step): Promise<boolean> {
  if (!target.subresource) return false;
  for (const connector of connectors) if (await connector(server, context, target, exchange)) return true;
  return false;
}

async function follow({ server, exchange, context, closing }: Step): Promise<boolean> {
  if (context.verb !== 'watch') return false;
  const form = negotiate(
    exchange.header('accept'),
    exchange.query,
    context.userAgent,
    context.served.custom ? ['json'] : ['json', 'protobuf'],
  );
  await serveWatch(
    server,
    context,
    exchange,
    form,
    exchange.query.get('includeObject') ?? 'Metadata',
    closing,
  );
  return true;
}

async function decodeAndPerform({ server, exchange, context }: Step): Promise<boolean> {
  const { registry } = server;
  const form = negotiate(
    exchange.header('accept'),
    exchange.query,
    context.userAgent,
    context.served.custom ? ['json', 'yaml'] : ['json', 'yaml', 'protobuf'],
  );
  const body = await readBody(server, exchange, context);
  const result = await perform(registry, server.handlers, context, body);
  recordWrite(registry, context, result);
  const headers: Record<string, string> = { 'cache-control': 'no-cache, private' };
  if (context.warnings.length)
    headers.warning = context.warnings.map((w) => `299 - ${JSON.stringify(w)}`).join(', ');
  const { type, body: bytes } = encodeResult(
    context,
    result,
    form,
    exchange.query.get('includeObject') ?? 'Metadata',
  );
  exchange.respond(context.code, { ...headers, 'content-type': type }, bytes);
  return true;
}

async function readBody(server: ApiServer, exchange: Exchange, context: Context): Promise<unknown> {
  if (!['create', 'update', 'patch', 'delete', 'deletecollection'].includes(context.verb)) return undefined;
  const contentType = exchange.header('content-type');
  if (context.verb === 'patch') {
    context.patchType = patchTypes[(contentType ?? '').split(';')[0]!.trim()];
    if (!context.patchType) throw unsupportedMediaType(Object.keys(patchTypes));
  }
  const { value, duplicates } = decodeBody(await exchange.body(maxBody), contentType, (apiVersion, kind) =>
    typeIdOf(server.registry.scheme, apiVersion, kind),
  );
  if (context.verb === 'delete' || context.verb === 'deletecollection') {
    context.options = deleteOptions(context.options, value);
    return undefined;
  }
  if (context.verb !== 'patch' && (typeof (value ?? {}) !== 'object' || Array.isArray(value)))
    throw badRequest("couldn't get version/kind; json parse error: the body is not an object");
  if (context.verb !== 'patch' && !context.subresource)
    checkBody(server.registry, context, value ?? {}, duplicates);
  else if (context.verb === 'update' && context.subresource === 'status')
    checkBody(server.registry, context, value ?? {}, duplicates);
  return value ?? {};
}

async function handlePath(
  server: ApiServer,
  exchange: Exchange,
  user: User,
  paths: PathHandler[],
): Promise<void> {
  const attributes = { user, verb: exchange.method.toLowerCase(), path: exchange.path };
  if (!server.authorizer.authorize(attributes)) {
    throw new StatusError(403, 'Forbidden', `forbidden: ${refusal(attributes)}`, {});
  }
  for (const path of paths) if (await path(server, exchange, user)) return;
  throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** Sends what went wrong as a Status, and returns its code; what we did not foresee is logged, and is a 500. */
export function fail(server: ApiServer, exchange: Exchange, error: unknown): number {
  let known: StatusError;
  if (isStatusError(error)) known = error;
  else {
    server.log.error('request failed', { path: exchange.path, error });
    known = internalError((error as Error)?.message ?? String(error));
  }
  const form = { encoding: 'json' as const, pretty: false };
  const retry = known.status.details?.retryAfterSeconds;
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'cache-control': 'no-cache, private',
    ...(retry ? { 'retry-after': String(retry) } : {}),
    ...(known.code === 401 ? { 'www-authenticate': 'Bearer realm="kubernetes"' } : {}),
  };
  exchange.respond(known.code, headers, encode(known.status as never, form).body);
  return known.code;
}
