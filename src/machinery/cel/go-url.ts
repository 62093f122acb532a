// URLs as Go reads them: nothing is made canonical, host and path stay as they were written.

export class UrlError extends Error {}

export interface GoUrl {
  scheme: string;
  user: string;
  /** With the port. */
  host: string;
  path: string;
  query: string;
  fragment: string;
}

/** A URL as a request line has it: absolute, or a path from the root. Throws UrlError. */
export function parseUrl(text: string): GoUrl {
  read(text, text);
  const hash = text.indexOf('#');
  const url = hash < 0 ? read(text, text) : read(text.slice(0, hash), text);
  return { ...url, fragment: hash < 0 ? '' : text.slice(hash + 1) };
}

function read(raw: string, shown: string): GoUrl {
  const fail = (why: string): never => {
    throw new UrlError(`parse ${JSON.stringify(shown)}: ${why}`);
  };
  if (/[\x00-\x1f\x7f]/.test(raw)) fail('net/url: invalid control character in URL');
  if (raw === '') fail('empty url');
  const url: GoUrl = { scheme: '', user: '', host: '', path: '', query: '', fragment: '' };
  if (raw === '*') return { ...url, path: '*' };
  if (raw.startsWith(':')) fail('missing protocol scheme');
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(raw)?.[1];
  let rest = scheme === undefined ? raw : raw.slice(scheme.length + 1);
  url.scheme = scheme?.toLowerCase() ?? '';
  const question = rest.indexOf('?');
  if (question >= 0) {
    url.query = rest.slice(question + 1);
    rest = rest.slice(0, question);
  }
  if (!rest.startsWith('/')) return url.scheme ? url : fail('invalid URI for request');
  if (url.scheme && rest.startsWith('//')) {
    const slash = rest.indexOf('/', 2);
    const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    rest = slash < 0 ? '' : rest.slice(slash);
    const at = authority.lastIndexOf('@');
    if (at >= 0) url.user = authority.slice(0, at);
    url.host = hostOf(authority.slice(at + 1), fail);
  }
  const wrong = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(rest);
  if (wrong) fail(`invalid URL escape ${JSON.stringify(wrong[0])}`);
  url.path = rest;
  return url;
}

function hostOf(host: string, fail: (why: string) => never): string {
  const end = host.startsWith('[') ? host.lastIndexOf(']') : -1;
  if (host.startsWith('[') && end < 0) fail("missing ']' in host");
  const port =
    end >= 0 ? host.slice(end + 1) : host.slice(host.includes(':') ? host.lastIndexOf(':') : host.length);
  if (!/^(:\d*)?$/.test(port)) fail(`invalid port ${JSON.stringify(port)} after host`);
  const odd = /[ "<>\\^`{|}]/.exec(host);
  if (odd) fail(`invalid character ${JSON.stringify(odd[0])} in host name`);
  const wrong = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(end >= 0 ? '' : host);
  if (wrong) fail(`invalid URL escape ${JSON.stringify(wrong[0])}`);
  return host;
}

export function hostName({ host }: GoUrl): string {
  if (host.startsWith('[')) return host.slice(1, host.lastIndexOf(']'));
  const colon = host.lastIndexOf(':');
  return colon < 0 ? host : host.slice(0, colon);
}

export function port({ host }: GoUrl): string {
  const colon = host.lastIndexOf(':');
  return colon < 0 || colon < host.lastIndexOf(']') ? '' : host.slice(colon + 1);
}

/** As it goes over the wire: what may not stand in a path is escaped, what was escaped stays so. */
export const escapedPath = ({ path }: GoUrl): string =>
  path.replace(/[^A-Za-z0-9\-_.~!$&'()*+,;=:@/%[\]]+/gu, (part) => encodeURIComponent(part.toWellFormed()));

/** Keys in the order in which they first appear; pairs that cannot be read are left out. */
export function queryValues({ query }: GoUrl): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const pair of query.split('&')) {
    if (!pair || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const key = unescaped(equals < 0 ? pair : pair.slice(0, equals));
    const value = unescaped(equals < 0 ? '' : pair.slice(equals + 1));
    if (key === undefined || value === undefined) continue;
    result.set(key, [...(result.get(key) ?? []), value]);
  }
  return result;
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

export const urlText = (url: GoUrl): string =>
  (url.scheme ? `${url.scheme}:` : '') +
  (url.host || url.user ? `//${url.user ? `${url.user}@` : ''}${url.host}` : '') +
  escapedPath(url) +
  (url.query ? `?${url.query}` : '') +
  (url.fragment ? `#${url.fragment}` : '');
