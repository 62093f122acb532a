// What changes on the way through a proxy subresource: paths, headers, and links of web pages, so that a browser that got
// a page through the proxy stays in it.
import { own } from '../../machinery/own.ts';

/**
 * `/api/v1/namespaces/x/pods/y/proxy/a/b` is `/api/v1/namespaces/x/pods/y/proxy` and `/a/b`, still encoded, and with what
 * leads upwards resolved.
 */
export function splitProxyPath(path: string): { prefix: string; rest: string } {
  const match = /^((?:\/+[^/]+){2}(?:\/+namespaces\/+[^/]+)?\/+[^/]+\/+[^/]+\/+proxy)(\/.*)?$/.exec(path);
  if (!match) return { prefix: path, rest: '' };
  return { prefix: match[1]!, rest: match[2] ? new URL(`http://x${match[2]}`).pathname : '' };
}

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

export type Headers = Record<string, string | string[]>;

/** Without those that are between two neighbours only, and those of HTTP/2. */
export function endToEnd(headers: Record<string, string | string[] | undefined>): Headers {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined &&
        !entry[0].startsWith(':') &&
        !hopByHop.has(entry[0]) &&
        !named.includes(entry[0]),
    ),
  );
}

/** Who the client is to us is nothing to what we proxy to. */
export function withoutIdentity(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) =>
        name !== 'authorization' && !name.startsWith('impersonate-') && !name.startsWith('x-remote-'),
    ),
  );
}

export interface ForwardedFor {
  remote: string;
  prefix: string;
  rest: string;
}

export function forwardedHeaders(headers: Headers, { remote, prefix, rest }: ForwardedFor): Headers {
  const before = headers['x-forwarded-for'];
  return {
    ...headers,
    'x-forwarded-for': before ? `${before}, ${remote}` : remote,
    'x-forwarded-uri': prefix + rest,
  };
}

/** Answers come from our origin: what they grant to other origins would be granted for the API server. */
export function answerHeaders(headers: Record<string, string | string[] | undefined>): Headers {
  const kept = endToEnd(headers);
  for (const name of ['credentials', 'headers', 'methods', 'origin'])
    delete kept[`access-control-allow-${name}`];
  return kept;
}

export interface LinkBase {
  /** What the path begins with on our side. */
  prefix: string;
  /** Hosts that mean the target: its address, and the name under which we were asked. */
  hosts: string[];
}

/** A link to the target becomes one through the proxy; relative ones and those to other hosts stay. */
export function rewriteLink(link: string, { prefix, hosts }: LinkBase): string {
  const match = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/is.exec(link);
  const [host, path] = match ? [match[1]!, match[2]!] : ['', link];
  if ((host && !hosts.includes(host)) || !path.startsWith('/')) return link;
  return path.startsWith(prefix) ? path : prefix + path;
}

const links: Record<string, string[]> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

/** A tag that is not closed within this many characters is none. */
const maxTag = 1 << 16;

/** Rewrites the links of a page that comes in pieces: a tag that is cut waits for its rest. */
export class PageRewriter {
  readonly #base: LinkBase;
  #rest = '';

  constructor(base: LinkBase) {
    this.#base = base;
  }

  push(text: string): string {
    const all = this.#rest + text;
    const open = all.lastIndexOf('<');
    const cut = open >= 0 && all.indexOf('>', open) < 0 && all.length - open < maxTag ? open : all.length;
    this.#rest = all.slice(cut);
    return this.#rewrite(all.slice(0, cut));
  }

  end(): string {
    const rest = this.#rest;
    this.#rest = '';
    return rest;
  }

  #rewrite(text: string): string {
    return text.replace(/<([a-z][a-z0-9]*)(\s[^<>]*)>/gi, (tag, name: string, attributes: string) => {
      const linked = own(links, name.toLowerCase());
      if (!linked) return tag;
      const changed = attributes.replace(
        // From the beginning of a word only: else a long one without a value would cost its length squared.
        /(?<=^|[\s"'/])([^\s=/"']+)(\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g,
        (whole, key: string, equals: string, double?: string, single?: string, bare?: string) => {
          const link = double ?? single ?? bare ?? '';
          if (!linked.includes(key.toLowerCase())) return whole;
          const next = rewriteLink(link, this.#base);
          return next === link ? whole : `${key}${equals}"${next.replaceAll('"', '&quot;')}"`;
        },
      );
      return `<${name}${changed}>`;
    });
  }
}
