// Who asks for what: the first that is done with a request, and what all that follows rests on.
import { forbidden, isForbidden, notFound, StatusError } from '../../machinery/status.ts';
import { refusal } from '../authz/authorizer.ts';
import { attributesOf } from '../authz/demand.ts';
import type { Attributes } from '../authz/rbac.ts';
import { freshFor } from '../cache/fresh.ts';
import type { Context, User } from '../context.ts';
import type { Served } from '../scheme.ts';
import type { ApiServer } from '../server.ts';
import { authenticate, impersonate } from './authenticate.ts';
import type { Call } from './call.ts';
import type { Exchange } from './exchange.ts';
import { optionsOf, parseTarget, type Target, verbOf } from './target.ts';

const nobody: User = { name: '', groups: [] };

/** Finds out who asks, for what, and as whom. Throws 400, 401, 403 and 405. */
export async function recognize(call: Call): Promise<Target | undefined> {
  const { server, exchange } = call;
  const user = await knowUser(call);
  let target: Target | undefined;
  try {
    target = parseTarget(exchange.path);
    const found = () =>
      target &&
      !server.remotes.covers(target.group, target.version) &&
      server.registry.scheme.resource(target.group, target.version, target.plural);
    let served = found();
    // Another server may just have been told of it.
    if (target && !served && server.registry.caches.shared) {
      await server.settled();
      served = found();
    }
    if (target && served) {
      const context = contextOf(server, exchange, user, target, served);
      call.knows(attributesOf(context), context);
    } else call.knows(target ? targetAttributes(exchange, user, target) : pathAttributes(exchange, user));
  } finally {
    // What cannot be read is written down as the path that it is.
    if (!call.attributes) call.knows(pathAttributes(exchange, user));
  }
  const actsAs = impersonate(server, exchange, user);
  if (actsAs !== user) call.actsAs(actsAs);
  return target;
}

async function knowUser(call: Call): Promise<User> {
  const { server, exchange } = call;
  const { requests } = server.metrics;
  const took = () => server.registry.clock.now() - call.beganMs;
  try {
    const user = await authenticateFresh(call);
    requests.authenticated('success', took());
    return user;
  } catch (error) {
    requests.authenticated('failure', took());
    call.knows(pathAttributes(exchange, nobody));
    throw error;
  }
}

/** Whom a token stands for may just have been made by another server. */
async function authenticateFresh({ server, exchange }: Call): Promise<User> {
  try {
    return await authenticate(server, exchange);
  } catch (error) {
    const { caches } = server.registry;
    if (!caches.shared || !exchange.header('authorization')) throw error;
    await caches.catchUp();
    return authenticate(server, exchange);
  }
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
  warnings: served.deprecation ? [served.deprecation] : [],
  code: 200,
});

const pathAttributes = ({ method, path }: Exchange, user: User): Attributes => ({
  user,
  verb: method.toLowerCase(),
  path,
});

function targetAttributes(exchange: Exchange, user: User, target: Target): Attributes {
  const { group, version, plural: resource, subresource, namespace, name } = target;
  const verb = verbOf(exchange.method, target, exchange.query);
  return { user, verb, group, version, resource, subresource, namespace, name };
}

/** As `authorize`; where other servers write, too, caches are then as new as the request may expect. */
export function settle(call: Call): Promise<void> | undefined {
  const { caches } = call.server.registry;
  if (caches.shared) return settleShared(call);
  authorize(call);
  return undefined;
}

async function settleShared(call: Call): Promise<void> {
  const { caches } = call.server.registry;
  try {
    authorize(call);
    if (call.context) await freshFor(caches, call.context);
    else if (/^\/(apis?|openapi)\b/.test(call.exchange.path)) await call.server.settled();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    // The right may just have been given through another server.
    await caches.catchUp();
    authorize(call);
  }
}

/**
 * Throws 403 unless the one who asks may do this. A cluster's resource asked for in a namespace is 404: rights in that
 * namespace must not count for it.
 */
export function authorize(call: Call, verb?: string): void {
  const { server, context, trail } = call;
  const attributes = verb === undefined ? call.attributes! : { ...call.attributes!, verb };
  const { clock } = server.registry;
  if (context && !context.served.kind.namespaced && context.namespace)
    throw notFound(context.served.kind, context.name ?? '');
  const began = clock.now();
  const allowed = server.authorizer.authorize(attributes);
  server.metrics.requests.authorized(allowed ? 'allowed' : 'denied', clock.now() - began);
  trail?.authorized(attributes, allowed);
  if (allowed) return;
  if (attributes.path !== undefined)
    throw new StatusError(403, 'Forbidden', `forbidden: ${refusal(attributes)}`, {});
  const { group = '', resource = '', name = '' } = attributes;
  throw forbidden({ group, plural: resource }, context?.name ?? name, refusal(attributes));
}
