import type { ApiRequest } from '../../client/client.ts';
import { cannotHandle, checkFields } from '../../machinery/decode.ts';
import {
  badRequest,
  internalError,
  isStatusError,
  notAcceptable,
  StatusError,
  unsupportedMediaType,
} from '../../machinery/status.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Context, User } from '../context.ts';
import { perform } from '../perform.ts';
import type { ApiServer } from '../server.ts';
import { admitConnection } from '../streams/connection-admission.ts';
import { recordWrite } from '../trace.ts';
import { Call } from './call.ts';
import { checkBody, decodeBody, unrecognized } from './decode.ts';
import { encode, encodeResult, specialType, typeIdOf } from './encode.ts';
import type { Exchange } from './exchange.ts';
import { negotiate } from './negotiate.ts';
import { recognize, settle } from './recognize.ts';
import { deleteOptions, type Target } from './target.ts';
import { warningHeader } from './warnings.ts';
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
  call: Call;
}

/** Handles one request from end to end. Never throws: whatever happens, the client gets a Status. */
export async function handle(server: ApiServer, exchange: Exchange, options: HandlerOptions): Promise<void> {
  const call = new Call(server, exchange);
  let failure: number | undefined;
  try {
    const target = await recognize(call);
    const waiting = call.takeSeats();
    if (waiting) await waiting;
    const settling = settle(call);
    if (settling) await settling;
    const { context } = call;
    const elsewhere = server.remotes.serve(call, options.closing);
    if (elsewhere && (await elsewhere)) return;
    if (context && target) {
      for (const step of pipeline)
        if (await step({ server, exchange, target, context, call, ...options })) break;
    } else if (target) throw unknownResource();
    else await handlePath(call, options.paths);
  } catch (error) {
    failure = fail(server, exchange, error, call.trail, call.context?.warnings);
  } finally {
    call.end(failure);
  }
}

const unknownResource = (): StatusError =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

/** The order that a request for a resource takes. A step that answers returns true, and ends it. */
const pipeline: ((step: Step) => boolean | Promise<boolean>)[] = [connect, follow, decodeAndPerform];

async function connect({ server, exchange, target, context, connectors }: Step): Promise<boolean> {
  if (!target.subresource) return false;
  await admitConnection(server.registry, context, exchange.query, target.rest);
  for (const connector of connectors) if (await connector(server, context, target, exchange)) return true;
  return false;
}

async function follow({ server, exchange, context, call, closing }: Step): Promise<boolean> {
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
    () => call.freeSeats(),
  );
  return true;
}

async function decodeAndPerform({ server, exchange, context, call }: Step): Promise<boolean> {
  const { registry } = server;
  const form = negotiate(
    exchange.header('accept'),
    exchange.query,
    context.userAgent,
    context.served.custom ? ['json', 'yaml'] : ['json', 'yaml', 'protobuf'],
  );
  // What is never stored, such as a review, has no metadata to make a table of.
  if (form.as && !context.served.kind.verbs.includes('get'))
    throw notAcceptable(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']);
  const body = await readBody(server, exchange, context);
  call.trail?.requested(body);
  const result = await perform(registry, server.handlers, context, body);
  recordWrite(registry, context, result);
  call.trail?.resulted(context, result);
  const headers: Record<string, string> = { 'cache-control': 'no-cache, private' };
  const warning = warningHeader(context.warnings);
  if (warning) headers.warning = warning;
  const { type, body: bytes } = encodeResult(
    context,
    result,
    form,
    exchange.query.get('includeObject') ?? 'Metadata',
  );
  exchange.respond(context.code, { ...headers, 'content-type': type }, bytes);
  return true;
}

function decoded(server: ApiServer, context: Context, bytes: Uint8Array, contentType: string | undefined) {
  try {
    const { registry, options } = server;
    const typeOf = (apiVersion: string, kind: string) => typeIdOf(registry.scheme, apiVersion, kind);
    return decodeBody(bytes, contentType, typeOf, options.parseYaml);
  } catch (error) {
    const plain = context.verb === 'create' || context.verb === 'update';
    if (!plain || (context.subresource && context.subresource !== 'status')) throw error;
    throw unrecognized(error, context.served.kind.kind, bytes);
  }
}

async function readBody(server: ApiServer, exchange: Exchange, context: Context): Promise<unknown> {
  if (!['create', 'update', 'patch', 'delete', 'deletecollection'].includes(context.verb)) return undefined;
  const contentType = exchange.header('content-type');
  if (context.verb === 'patch') {
    const type = (contentType ?? '').split(';')[0]!.trim();
    context.patchType = Object.hasOwn(patchTypes, type) ? patchTypes[type] : undefined;
    if (!context.patchType) throw unsupportedMediaType(Object.keys(patchTypes));
  }
  const bytes = await exchange.body(maxBody);
  const read = decoded(server, context, bytes, contentType);
  const { value, duplicates } = read instanceof Promise ? await read : read;
  if (context.verb === 'delete' || context.verb === 'deletecollection') {
    context.options = deleteOptions(context.options, deletionBody(server, value));
    return undefined;
  }
  if (context.verb === 'patch') context.duplicates = duplicates;
  if (context.verb !== 'patch' && (typeof (value ?? {}) !== 'object' || Array.isArray(value)))
    throw badRequest("couldn't get version/kind; json parse error: the body is not an object");
  if (context.verb !== 'patch') {
    const { kind } = context.served;
    // `policy/v1/Eviction`: the body of a subresource may be of a kind of its own.
    const [name] =
      (context.subresource && kind.subresources[context.subresource]?.kind.split('/').slice(-1)) || [];
    const type = name && name !== kind.kind ? specialType(name) : undefined;
    checkBody(server.registry, context, value ?? {}, duplicates, type);
  }
  return value ?? {};
}

/** Throws 400 for what is no DeleteOptions. */
function deletionBody(server: ApiServer, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  const wrong = (why: string) => cannotHandle('DeleteOptions', 'v1', why);
  if (typeof value !== 'object' || Array.isArray(value)) throw wrong('the body is not an object');
  const [error] = checkFields(value, 'meta.v1.DeleteOptions', server.registry.schemas).errors;
  if (error) throw wrong(error);
  return value;
}

async function handlePath({ server, exchange, attributes }: Call, paths: PathHandler[]): Promise<void> {
  for (const path of paths) if (await path(server, exchange, attributes!.user)) return;
  throw unknownResource();
}

/** Sends what went wrong as a Status, and returns its code; what we did not foresee is logged, and is a 500. */
export function fail(
  server: ApiServer,
  exchange: Exchange,
  error: unknown,
  trail?: AuditTrail,
  warnings: readonly string[] = [],
): number {
  let known: StatusError;
  if (isStatusError(error)) known = error;
  else {
    server.log.error('request failed', { path: exchange.path, error });
    known = internalError((error as Error)?.message ?? String(error));
    trail?.panicked(error);
  }
  trail?.failed(known.status);
  const form = { encoding: 'json' as const, pretty: false };
  const retry = known.status.details?.retryAfterSeconds;
  const warning = warningHeader(warnings);
  const headers: Record<string, string> = {
    ...(warning ? { warning } : {}),
    'content-type': 'application/json',
    'cache-control': 'no-cache, private',
    ...(retry ? { 'retry-after': String(retry) } : {}),
    ...(known.code === 401 ? { 'www-authenticate': 'Bearer realm="kubernetes"' } : {}),
  };
  exchange.respond(known.code, headers, encode(known.status as never, form).body);
  return known.code;
}
