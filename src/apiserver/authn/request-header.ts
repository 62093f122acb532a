import { unauthorized } from '../../machinery/status.ts';
import type { User } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';

/** Whom we believe when he says for whom he asks. Source: "Configure the Aggregation Layer", flags --requestheader-*. */
export interface RequestHeaderTrust {
  /** PEM: who vouches for the proxy. */
  ca: string;
  /** Common names of proxies; any when empty. */
  allowedNames: string[];
  usernameHeaders: string[];
  uidHeaders: string[];
  groupHeaders: string[];
  extraHeaderPrefixes: string[];
}

export const requestHeaderDefaults: Omit<RequestHeaderTrust, 'ca'> = {
  allowedNames: ['front-proxy-client'],
  usernameHeaders: ['X-Remote-User'],
  uidHeaders: ['X-Remote-Uid'],
  groupHeaders: ['X-Remote-Group'],
  extraHeaderPrefixes: ['X-Remote-Extra-'],
};

/** The user that a proxy which we trust names; undefined when there is none. Throws 401 for a proxy that may not. */
export function proxiedUser(exchange: Exchange, trust: RequestHeaderTrust): User | undefined {
  const { proxyName } = exchange;
  if (proxyName === undefined) return undefined;
  const headers = exchange.headers();
  const values = (name: string): string[] => {
    const value = headers[name.toLowerCase()];
    return (Array.isArray(value) ? value : [value ?? '']).flatMap(split).filter(Boolean);
  };
  const first = (names: string[]): string | undefined => names.flatMap(values)[0];
  const name = first(trust.usernameHeaders);
  if (!name) return undefined;
  if (trust.allowedNames.length && !trust.allowedNames.includes(proxyName)) throw unauthorized();
  const extra: Record<string, string[]> = {};
  for (const prefix of trust.extraHeaderPrefixes.map((p) => p.toLowerCase())) {
    for (const header in headers)
      if (header.startsWith(prefix)) extra[unescaped(header.slice(prefix.length))] = values(header);
  }
  const uid = first(trust.uidHeaders);
  return {
    name,
    groups: trust.groupHeaders.flatMap(values),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

/** Node joins what came in several lines; a group has no comma with a space after it. */
const split = (value: string): string[] => value.split(', ');

function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** Who asks, in the words in which a server behind us is told. */
export function userHeaders({ name, uid, groups, extra }: User): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': name };
  if (uid) headers['x-remote-uid'] = uid;
  if (groups.length) headers['x-remote-group'] = groups;
  for (const key in extra) headers[`x-remote-extra-${escaped(key)}`] = extra[key]!;
  return headers;
}

/** Keys may have characters that a header's name may not: those are escaped as in a URL. */
const escaped = (key: string): string =>
  key.replace(/[^!#$&'*+\-.^_`|~0-9a-z]/g, (char) => {
    const lower = char.toLowerCase();
    return lower !== char && /[a-z]/.test(lower) ? lower : encodeURIComponent(char);
  });
