import { put } from '../../machinery/own.ts';
import { badRequest, forbidden, unauthorized } from '../../machinery/status.ts';
import { proxiedUser } from '../authn/request-header.ts';
import { refusal } from '../authz/authorizer.ts';
import type { User } from '../context.ts';
import type { ApiServer } from '../server.ts';
import type { Exchange } from './exchange.ts';

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Who asks: a client certificate, or a token, or nobody in particular. Throws 401. */
export async function authenticate(server: ApiServer, exchange: Exchange): Promise<User> {
  const { certificate } = exchange;
  if (exchange.badCertificate) throw unauthorized();
  const { requestHeader } = server.options;
  const proxied = requestHeader && proxiedUser(exchange, requestHeader);
  if (proxied) return authenticated(proxied);
  // A proxy's certificate is good for nothing else.
  if (exchange.proxyName !== undefined && !certificate) throw unauthorized();
  if (certificate) {
    const { certificateEndsMs } = exchange;
    if (certificateEndsMs !== undefined)
      server.metrics.requests.certificateLeft(certificateEndsMs - server.registry.clock.now());
    return authenticated(certificate);
  }
  const authorization = exchange.header('authorization');
  const token = authorization && /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
  if (!token) {
    if (authorization) throw unauthorized();
    return anonymous;
  }
  const fixed = server.options.staticTokens?.get(token);
  if (fixed) return authenticated(fixed);
  return (await server.tokens.authenticate(token, undefined, server.registry.clock.now())).user;
}

/** All who are somebody are in this group; whoever vouched for them may have said so already. */
const authenticated = (user: User): User =>
  user.groups.includes('system:authenticated') || user.name === 'system:anonymous'
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };

const extraPrefix = 'impersonate-extra-';

/** Whom they ask as: `Impersonate-*` headers, for those who may. Throws 400 and 403. Source: "User impersonation". */
export function impersonate(server: ApiServer, exchange: Exchange, user: User): User {
  const name = exchange.header('impersonate-user');
  const groups = listOf(exchange.header('impersonate-group'));
  const uid = exchange.header('impersonate-uid');
  const extra: Record<string, string[]> = {};
  const headers = exchange.headers();
  for (const header in headers) {
    if (header.startsWith(extraPrefix))
      put(extra, unescaped(header.slice(extraPrefix.length)), listOf(exchange.header(header)));
  }
  if (!name) {
    if (groups.length || uid || Object.keys(extra).length)
      throw badRequest('requested impersonation without impersonating a user');
    return user;
  }
  const account = /^system:serviceaccount:([^:]+):(.+)$/.exec(name);
  const demand = (resource: string, who: string, namespace?: string, group = '', subresource?: string) => {
    const attributes = { user, verb: 'impersonate', group, resource, subresource, name: who, namespace };
    if (server.authorizer.authorize(attributes)) return;
    throw forbidden({ group, plural: resource }, who, refusal(attributes));
  };
  if (account) demand('serviceaccounts', account[2]!, account[1]);
  else demand('users', name);
  for (const group of groups) demand('groups', group);
  if (uid) demand('uids', uid, undefined, 'authentication.k8s.io');
  for (const key in extra)
    for (const value of extra[key]!) demand('userextras', value, undefined, 'authentication.k8s.io', key);
  const own = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : [];
  const all = [...(groups.length ? groups : own)];
  const everybody = name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!all.includes(everybody)) all.push(everybody);
  return {
    name,
    groups: all,
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

/** As it is where it is not escaped as it should be. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** A header that is given several times comes as one, with a comma and a space between; a value may have commas of its own. */
const listOf = (header: string | undefined): string[] => (header ?? '').split(', ').filter(Boolean);
