import { forbidden, unauthorized } from '../../machinery/status.ts';
import type { User } from '../context.ts';
import type { ApiServer } from '../server.ts';
import type { Exchange } from './exchange.ts';

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Who asks: a client certificate, or a token, or nobody in particular; then whom they ask as. Throws 401 and 403. */
export async function authenticate(server: ApiServer, exchange: Exchange): Promise<User> {
  const user = await identify(server, exchange);
  return impersonate(server, exchange, user);
}

async function identify(server: ApiServer, exchange: Exchange): Promise<User> {
  const { certificate } = exchange;
  if (certificate) return { ...certificate, groups: [...certificate.groups, 'system:authenticated'] };
  const authorization = exchange.header('authorization');
  const token = authorization && /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
  if (!token) {
    if (authorization) throw unauthorized();
    return anonymous;
  }
  const fixed = server.options.staticTokens?.get(token);
  if (fixed) return { ...fixed, groups: [...fixed.groups, 'system:authenticated'] };
  return (await server.tokens.authenticate(token, undefined, server.registry.clock.now())).user;
}

/** `Impersonate-*` headers, for those who may. Source: "User impersonation". */
function impersonate(server: ApiServer, exchange: Exchange, user: User): User {
  const name = exchange.header('impersonate-user');
  const groups = (exchange.header('impersonate-group') ?? '')
    .split(',')
    .map((g) => g.trim())
    .filter(Boolean);
  const uid = exchange.header('impersonate-uid');
  if (!name) {
    if (groups.length || uid) throw unauthorized('requested impersonation without impersonating a user');
    return user;
  }
  const account = /^system:serviceaccount:([^:]+):(.+)$/.exec(name);
  const demand = (resource: string, who: string, namespace?: string) => {
    if (
      !server.authorizer.authorize({ user, verb: 'impersonate', group: '', resource, name: who, namespace })
    ) {
      throw forbidden(
        { group: '', plural: resource },
        who,
        `User ${JSON.stringify(user.name)} cannot impersonate resource ${JSON.stringify(resource)} in API group ""`,
      );
    }
  };
  if (account) demand('serviceaccounts', account[2]!, account[1]);
  else demand('users', name);
  for (const group of groups) demand('groups', group);
  const own = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : [];
  const all = [...(groups.length ? groups : own)];
  if (name !== 'system:anonymous' && !all.includes('system:authenticated')) all.push('system:authenticated');
  return { name, groups: all, ...(uid ? { uid } : {}) };
}
