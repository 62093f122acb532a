// Small checks that many kinds share. Each returns errors, [] when nothing is wrong.
import { isCIDR, isIP, isIPv4 } from '../machinery/ip.ts';
import { dnsSubdomainProblems, portNameProblems, portProblems } from '../machinery/names.ts';
import type { FieldError, FieldPath } from '../machinery/status.ts';

export const NOT_NEGATIVE = 'must be greater than or equal to 0';

/** A number that is absent or not negative. */
export const notNegative = (value: number | undefined, path: FieldPath): FieldError[] =>
  value !== undefined && value < 0 ? [path.invalid(value, NOT_NEGATIVE)] : [];

export const positive = (value: number | undefined, path: FieldPath): FieldError[] =>
  value !== undefined && value <= 0 ? [path.invalid(value, 'must be greater than zero')] : [];

export const atLeast = (value: number | undefined, least: number, path: FieldPath): FieldError[] =>
  value !== undefined && value < least
    ? [path.invalid(value, `must be greater than or equal to ${least}`)]
    : [];

/** A value that must be there. */
export const present = (value: unknown, path: FieldPath, detail = ''): FieldError[] =>
  value === undefined || value === null || value === '' ? [path.required(detail)] : [];

/** One of a few words; absent is fine. */
export const oneOf = (
  value: string | undefined,
  allowed: readonly string[],
  path: FieldPath,
): FieldError[] =>
  value === undefined || value === '' || allowed.includes(value) ? [] : [path.notSupported(value, allowed)];

/** One of a few words, and required. */
export const requiredOneOf = (
  value: string | undefined,
  allowed: readonly string[],
  path: FieldPath,
): FieldError[] => (value ? oneOf(value, allowed, path) : [path.required()]);

/** Problems (sentences) as errors of a value. */
export const problems = (found: readonly string[], value: unknown, path: FieldPath): FieldError[] =>
  found.map((problem) => path.invalid(value, problem));

/** A port by number, or by name. */
export const portOrName = (port: number | string | undefined, path: FieldPath): FieldError[] =>
  typeof port === 'string'
    ? problems(portNameProblems(port), port, path)
    : problems(portProblems(port ?? 0), port ?? 0, path);

/** A count, or a percentage like `25%`. */
export function countOrPercent(value: number | string | undefined, path: FieldPath): FieldError[] {
  if (value === undefined) return [];
  if (typeof value === 'number') return notNegative(value, path);
  return /^[0-9]+%$/.test(value)
    ? []
    : [
        path.invalid(
          value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')",
        ),
      ];
}

/** `25%` as 25; undefined for a count. */
export const percentOf = (value: number | string | undefined): number | undefined =>
  typeof value === 'string' && /^[0-9]+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;

export const notMoreThanHundred = (value: number | string | undefined, path: FieldPath): FieldError[] =>
  (percentOf(value) ?? 0) > 100 ? [path.invalid(value, 'must not be greater than 100%')] : [];

/** The second and later of equal values. */
export function duplicates<T>(
  list: readonly T[] | undefined,
  keyOf: (item: T) => unknown,
  path: (i: number) => FieldPath,
): FieldError[] {
  const seen = new Set<unknown>();
  const errors: FieldError[] = [];
  list?.forEach((item, i) => {
    const key = keyOf(item);
    if (seen.has(key)) errors.push(path(i).duplicate(key));
    seen.add(key);
  });
  return errors;
}

export const ipErrors = (text: string, path: FieldPath): FieldError[] =>
  isIP(text) ? [] : [path.invalid(text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];

export const cidrErrors = (text: string, path: FieldPath): FieldError[] =>
  isCIDR(text) ? [] : [path.invalid(text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];

/** `acme.io/foo`: a domain, and a path within it. */
export function domainPathErrors(text: string, path: FieldPath): FieldError[] {
  if (!text) return [path.required()];
  const slash = text.indexOf('/');
  const domain = text.slice(0, slash);
  const rest = text.slice(slash + 1);
  if (slash <= 0 || !rest)
    return [path.invalid(text, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const errors = problems(dnsSubdomainProblems(domain), domain, path);
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest))
    errors.push(
      path.invalid(rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"),
    );
  return errors;
}

/** Names of CSI and DRA drivers. */
export function driverNameErrors(name: string | undefined, path: FieldPath): FieldError[] {
  if (!name) return [path.required()];
  const errors = problems(dnsSubdomainProblems(name.toLowerCase()), name, path);
  return name.length > 63 ? [path.tooLong(63), ...errors] : errors;
}

/** The bits of an address as one number, with how many there are. */
function addressBits(ip: string): [bits: bigint, count: number] {
  if (isIPv4(ip)) return [ip.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n), 32];
  // The last 32 bits may be written as an IPv4 address.
  const text = ip.replace(/[0-9]+(\.[0-9]+){3}$/, (dotted) => {
    const [low] = addressBits(dotted);
    return `${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  });
  const [head = [], tail] = text.split('::').map((half) => half.split(':').filter(Boolean));
  const missing = tail ? 8 - head.length - tail.length : 0;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...(tail ?? [])];
  return [groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n), 128];
}

/** Whether one range of addresses is a smaller part of another. Both are valid. */
export function isStrictlyWithin(inner: string, outer: string): boolean {
  const parse = (cidr: string) => {
    const [ip = '', length = ''] = cidr.split('/');
    return { bits: addressBits(ip), length: Number(length) };
  };
  const a = parse(inner);
  const b = parse(outer);
  if (a.bits[1] !== b.bits[1] || a.length <= b.length) return false;
  const shift = BigInt(b.bits[1] - b.length);
  return a.bits[0] >> shift === b.bits[0] >> shift;
}

export { isCIDR, isIP, isIPv4, isIPv6 } from '../machinery/ip.ts';
