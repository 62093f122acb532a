// URLs, IP addresses and ranges. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library
import { ipBits, isCIDR, isIP } from '../ip.ts';
import { type CostModel, exactly, PER_CHARACTER, plus, type Range, reads, scale } from './cost.ts';
import type { Declarations } from './functions.ts';
import {
  escapedPath,
  type GoUrl,
  hostName,
  parseUrl,
  port,
  queryValues,
  UrlError,
  urlText,
} from './go-url.ts';
import { CelError, MapValue, Opaque, type Value } from './values.ts';

class UrlValue extends Opaque {
  readonly type = 'kubernetes.URL';
  readonly url: GoUrl;
  constructor(url: GoUrl) {
    super();
    this.url = url;
  }
  equals(other: Value): boolean {
    return other instanceof UrlValue && urlText(other.url) === urlText(this.url);
  }
  override toString(): string {
    return urlText(this.url);
  }
}

class IpValue extends Opaque {
  readonly type = 'net.IP';
  readonly text: string;
  readonly bits: bigint;
  readonly width: 32 | 128;
  constructor(text: string) {
    super();
    const found = ipBits(text);
    if (!found)
      throw new CelError(
        `IP Address ${JSON.stringify(text)} parse error during conversion from string: ` +
          `ParseAddr(${JSON.stringify(text)}): unable to parse IP`,
      );
    if (found.width === 128 && found.bits >> 32n === 0xffffn)
      throw new CelError(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
    this.text = canonicalIp(text);
    this.bits = found.bits;
    this.width = found.width;
  }
  override get weight(): number {
    return this.width / 8;
  }
  equals(other: Value): boolean {
    return other instanceof IpValue && other.bits === this.bits && other.width === this.width;
  }
  override toString(): string {
    return this.text;
  }
}

class CidrValue extends Opaque {
  readonly type = 'net.CIDR';
  readonly ip: IpValue;
  readonly length: number;
  constructor(text: string) {
    super();
    if (!isCIDR(text))
      throw new CelError(
        `network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)}): no valid range`,
      );
    const slash = text.indexOf('/');
    this.ip = new IpValue(text.slice(0, slash));
    this.length = Number(text.slice(slash + 1));
  }
  override get weight(): number {
    return Math.ceil(this.length / 8);
  }
  /** The part of an address that the range fixes. */
  prefix(bits: bigint): bigint {
    return bits >> BigInt(this.ip.width - this.length);
  }
  contains(ip: IpValue): boolean {
    return ip.width === this.ip.width && this.prefix(ip.bits) === this.prefix(this.ip.bits);
  }
  equals(other: Value): boolean {
    return other instanceof CidrValue && other.ip.equals(this.ip) && other.length === this.length;
  }
  override toString(): string {
    return `${this.ip}/${this.length}`;
  }
}

/** The shortest form, which a URL's parser makes of an IPv6 address. */
const canonicalIp = (text: string): string =>
  text.includes(':') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;

function fromBits(bits: bigint, width: 32 | 128): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - i * 16)) & 65535n).toString(16));
  return canonicalIp(groups.join(':'));
}

function masked(range: CidrValue): CidrValue {
  const shift = BigInt(range.ip.width - range.length);
  return new CidrValue(`${fromBits((range.ip.bits >> shift) << shift, range.ip.width)}/${range.length}`);
}

function urlOf(text: string): UrlValue {
  try {
    return new UrlValue(parseUrl(text));
  } catch (error) {
    if (error instanceof UrlError)
      throw new CelError(`URL parse error during conversion from string: ${error.message}`);
    throw error;
  }
}

/** Whether making a value succeeds. */
export const succeeds =
  (make: (...args: any[]) => unknown) =>
  (...args: any[]): boolean => {
    try {
      make(...args);
      return true;
    } catch (error) {
      if (error instanceof CelError) return false;
      throw error;
    }
  };

/** A property of an address, by the ranges of both families. */
function inRange(v4: string, v6: string): (ip: IpValue) => boolean {
  const ranges = { 32: new CidrValue(v4), 128: new CidrValue(v6) };
  return (ip) => ranges[ip.width].contains(ip);
}
const isUnspecified = inRange('0.0.0.0/32', '::/128');
const isLoopback = inRange('127.0.0.0/8', '::1/128');
const isMulticast = inRange('224.0.0.0/4', 'ff00::/8');
const isLinkLocalUnicast = inRange('169.254.0.0/16', 'fe80::/10');
const isLinkLocalMulticast = inRange('224.0.0.0/24', 'ff02::/16');
const isBroadcast = inRange('255.255.255.255/32', '::/128');

function containsCidr(outer: CidrValue, other: CidrValue | string): boolean {
  const inner = typeof other === 'string' ? new CidrValue(other) : other;
  return outer.length <= inner.length && outer.contains(inner.ip);
}

/** Addresses are four or sixteen bytes, compared as texts are; one that is given as text is read first. */
const containment = (again: number, parsed: boolean): CostModel => {
  const address: Range = { min: 4, max: 16 };
  return {
    actual: ([range, other]) => {
      const size = (range as CidrValue).weight;
      const text = parsed ? Math.ceil((other as string).length * PER_CHARACTER) : 0;
      return Math.ceil(size * 2 * PER_CHARACTER) + again * (Math.ceil(size * PER_CHARACTER) + 1) + text;
    },
    estimate: ([, other]) => {
      let cost = scale(plus(address, address), PER_CHARACTER);
      if (again) cost = plus(plus(cost, scale(address, PER_CHARACTER)), exactly(1));
      return { cost: parsed ? plus(cost, scale(other!.size, PER_CHARACTER)) : cost };
    },
  };
};

const same = (size: Range): Range => size;

const urls: Declarations = {
  url: { string_to_url: ['(string) -> kubernetes.URL', urlOf, reads(0, 1, same)] },
  isURL: { is_url_string: ['(string) -> bool', succeeds(urlOf)] },
  getScheme: { url_get_scheme: ['kubernetes.URL.() -> string', ({ url }: UrlValue) => url.scheme] },
  getHost: { url_get_host: ['kubernetes.URL.() -> string', ({ url }: UrlValue) => url.host] },
  getHostname: { url_get_hostname: ['kubernetes.URL.() -> string', ({ url }: UrlValue) => hostName(url)] },
  getPort: { url_get_port: ['kubernetes.URL.() -> string', ({ url }: UrlValue) => port(url)] },
  getEscapedPath: {
    url_get_escaped_path: ['kubernetes.URL.() -> string', ({ url }: UrlValue) => escapedPath(url)],
  },
  getQuery: {
    url_get_query: [
      'kubernetes.URL.() -> map(string, list(string))',
      ({ url }: UrlValue) => new MapValue(queryValues(url)),
    ],
  },
};

export const networks: Declarations = {
  ...urls,
  ip: {
    string_to_ip: ['(string) -> net.IP', (text: string) => new IpValue(text), reads()],
    cidr_ip: ['net.CIDR.() -> net.IP', (range: CidrValue) => range.ip],
  },
  isIP: {
    is_ip: ['(string) -> bool', (text: string) => isIP(text) && succeeds(() => new IpValue(text))(), reads()],
  },
  'ip.isCanonical': {
    ip_is_canonical: ['(string) -> bool', (text: string) => new IpValue(text).text === text, reads(0, 2)],
  },
  family: { ip_family: ['net.IP.() -> int', (ip: IpValue) => (ip.width === 32 ? 4n : 6n)] },
  isUnspecified: { ip_is_unspecified: ['net.IP.() -> bool', isUnspecified] },
  isLoopback: { ip_is_loopback: ['net.IP.() -> bool', isLoopback] },
  isLinkLocalMulticast: { ip_is_link_local_multicast: ['net.IP.() -> bool', isLinkLocalMulticast] },
  isLinkLocalUnicast: { ip_is_link_local_unicast: ['net.IP.() -> bool', isLinkLocalUnicast] },
  isGlobalUnicast: {
    ip_is_global_unicast: [
      'net.IP.() -> bool',
      (ip: IpValue) =>
        ![isUnspecified, isLoopback, isMulticast, isLinkLocalUnicast, isBroadcast].some((is) => is(ip)),
    ],
  },
  cidr: { string_to_cidr: ['(string) -> net.CIDR', (text: string) => new CidrValue(text), reads()] },
  isCIDR: { is_cidr: ['(string) -> bool', succeeds((text: string) => new CidrValue(text)), reads()] },
  containsIP: {
    cidr_contains_ip_string: [
      'net.CIDR.(string) -> bool',
      (range: CidrValue, text: string) => range.contains(new IpValue(text)),
      containment(0, true),
    ],
    cidr_contains_ip_ip: [
      'net.CIDR.(net.IP) -> bool',
      (range: CidrValue, ip: IpValue) => range.contains(ip),
      containment(0, false),
    ],
  },
  containsCIDR: {
    cidr_contains_cidr_string: ['net.CIDR.(string) -> bool', containsCidr, containment(1, true)],
    cidr_contains_cidr: ['net.CIDR.(net.CIDR) -> bool', containsCidr, containment(1, false)],
  },
  prefixLength: {
    cidr_prefix_length: ['net.CIDR.() -> int', (range: CidrValue) => BigInt(range.length)],
  },
  masked: { cidr_masked: ['net.CIDR.() -> net.CIDR', masked] },
  string: {
    ip_to_string: ['(net.IP) -> string', (ip: IpValue) => ip.text],
    cidr_to_string: ['(net.CIDR) -> string', (range: CidrValue) => String(range)],
  },
};
