// URLs, IP addresses and ranges, and the formats of names.
// https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library
import { ipBits, isCIDR, isIP } from '../ip.ts';
import {
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../names.ts';
import { hasFormat } from '../structural/formats.ts';
import { noOverload } from './operators.ts';
import type { Library } from './scope.ts';
import { CelError, MapValue, Opaque, Optional, type Value } from './values.ts';

class UrlValue extends Opaque {
  readonly type = 'kubernetes.URL';
  readonly url: URL;
  /** As it was given: an absolute path has neither scheme nor host. */
  readonly isPath: boolean;
  constructor(text: string) {
    super();
    this.isPath = text.startsWith('/');
    this.url = new URL(text, 'none://none');
  }
  equals(other: Value): boolean {
    return other instanceof UrlValue && other.url.href === this.url.href;
  }
  override toString(): string {
    return this.isPath ? this.url.href.slice('none://none'.length) : this.url.href;
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
      throw new CelError(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
    this.text = canonicalIp(text);
    this.bits = found.bits;
    this.width = found.width;
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
        `network address parse error during conversion from string: ${JSON.stringify(text)}`,
      );
    const slash = text.indexOf('/');
    this.ip = new IpValue(text.slice(0, slash));
    this.length = Number(text.slice(slash + 1));
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

class FormatValue extends Opaque {
  readonly type = 'kubernetes.NamedFormat';
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  equals(other: Value): boolean {
    return other instanceof FormatValue && other.name === this.name;
  }
}

const prefix =
  (check: (text: string) => string[]) =>
  (text: string): string[] =>
    check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
const formats: Record<string, (text: string) => string[]> = {
  dns1123Label: dnsLabelProblems,
  dns1123Subdomain: dnsSubdomainProblems,
  dns1035Label: dns1035LabelProblems,
  qualifiedName: qualifiedNameProblems,
  dns1123LabelPrefix: prefix(dnsLabelProblems),
  dns1123SubdomainPrefix: prefix(dnsSubdomainProblems),
  dns1035LabelPrefix: prefix(dns1035LabelProblems),
  labelValue: labelValueProblems,
  uri: (text) => (hasFormat(text, 'uri') ? [] : ['invalid URI']),
  uuid: (text) => (hasFormat(text, 'uuid') ? [] : ['does not match the UUID format']),
  byte: (text) => (hasFormat(text, 'byte') ? [] : ['invalid base64']),
  date: (text) => (hasFormat(text, 'date') ? [] : ['invalid date']),
  datetime: (text) => (hasFormat(text, 'date-time') ? [] : ['invalid datetime']),
};

function text(value: Value | undefined, name: string): string {
  if (typeof value !== 'string') throw noOverload(name, value ?? null);
  return value;
}
function urlOf(value: Value | undefined, name: string): UrlValue {
  if (!(value instanceof UrlValue)) throw noOverload(name, value ?? null);
  return value;
}
function ipOf(value: Value | undefined, name: string): IpValue {
  if (!(value instanceof IpValue)) throw noOverload(name, value ?? null);
  return value;
}
function cidrOf(value: Value | undefined, name: string): CidrValue {
  if (!(value instanceof CidrValue)) throw noOverload(name, value ?? null);
  return value;
}

const isUrl = (value: string): boolean =>
  value.startsWith('/') || (/^[a-zA-Z][\w+.-]*:\/\/[^/]/.test(value) && URL.canParse(value));

/** A property of an address, by the ranges of both families. */
const inRange =
  (name: string, v4: string | undefined, v6: string) =>
  ([value]: Value[]): Value => {
    const ip = ipOf(value, name);
    const range = ip.width === 32 ? v4 : v6;
    return range !== undefined && new CidrValue(range).contains(ip);
  };
const isUnspecified = inRange('isUnspecified', '0.0.0.0/32', '::/128');
const isLoopback = inRange('isLoopback', '127.0.0.0/8', '::1/128');
const isMulticast = inRange('isMulticast', '224.0.0.0/4', 'ff00::/8');
const isLinkLocalUnicast = inRange('isLinkLocalUnicast', '169.254.0.0/16', 'fe80::/10');
const isBroadcast = inRange('isBroadcast', '255.255.255.255/32', '::/128');

export const networks: Library = {
  url: ([value]) => {
    if (!isUrl(text(value, 'url')))
      throw new CelError(`URL parse error during conversion from string: ${JSON.stringify(value)}`);
    return new UrlValue(value as string);
  },
  isURL: ([value]) => isUrl(text(value, 'isURL')),
  getScheme: ([value]) =>
    urlOf(value, 'getScheme').isPath ? '' : (value as UrlValue).url.protocol.slice(0, -1),
  getHost: ([value]) => (urlOf(value, 'getHost').isPath ? '' : (value as UrlValue).url.host),
  getHostname: ([value]) =>
    urlOf(value, 'getHostname').isPath ? '' : (value as UrlValue).url.hostname.replace(/^\[(.*)\]$/, '$1'),
  getPort: ([value]) => (urlOf(value, 'getPort').isPath ? '' : (value as UrlValue).url.port),
  getEscapedPath: ([value]) => urlOf(value, 'getEscapedPath').url.pathname,
  getQuery: ([value]) => {
    const query = urlOf(value, 'getQuery').url.searchParams;
    return new MapValue([...new Set(query.keys())].map((key) => [key, query.getAll(key)]));
  },
  // `ip(text)`, and the address of a range
  ip: ([value]) => (value instanceof CidrValue ? value.ip : new IpValue(text(value, 'ip'))),
  isIP: ([value]) => isIP(text(value, 'isIP')),
  'ip.isCanonical': ([value]) => {
    const ip = new IpValue(text(value, 'ip.isCanonical'));
    return ip.text === value;
  },
  family: ([value]) => (ipOf(value, 'family').width === 32 ? 4n : 6n),
  isUnspecified,
  isLoopback,
  isLinkLocalMulticast: inRange('isLinkLocalMulticast', '224.0.0.0/24', 'ff02::/16'),
  isLinkLocalUnicast,
  isGlobalUnicast: (args) =>
    ![isUnspecified, isLoopback, isMulticast, isLinkLocalUnicast, isBroadcast].some(
      (is) => is(args) === true,
    ),
  cidr: ([value]) => new CidrValue(text(value, 'cidr')),
  isCIDR: ([value]) => isCIDR(text(value, 'isCIDR')),
  containsIP: ([value, ip]) =>
    cidrOf(value, 'containsIP').contains(typeof ip === 'string' ? new IpValue(ip) : ipOf(ip, 'containsIP')),
  containsCIDR: ([value, other]) => {
    const outer = cidrOf(value, 'containsCIDR');
    const inner = typeof other === 'string' ? new CidrValue(other) : cidrOf(other, 'containsCIDR');
    return outer.length <= inner.length && outer.contains(inner.ip);
  },
  prefixLength: ([value]) => BigInt(cidrOf(value, 'prefixLength').length),
  masked: ([value]) => {
    const range = cidrOf(value, 'masked');
    const shift = BigInt(range.ip.width - range.length);
    return new CidrValue(`${fromBits((range.ip.bits >> shift) << shift, range.ip.width)}/${range.length}`);
  },
  'format.named': ([name]) =>
    Object.hasOwn(formats, text(name, 'format.named'))
      ? new Optional(new FormatValue(name as string))
      : new Optional(),
  ...Object.fromEntries(Object.keys(formats).map((name) => [`format.${name}`, () => new FormatValue(name)])),
  validate: ([format, value]) => {
    if (!(format instanceof FormatValue)) throw noOverload('validate', format!);
    const found = formats[format.name]!(text(value, 'validate'));
    return found.length ? new Optional(found) : new Optional();
  },
};
