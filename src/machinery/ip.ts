// The forms of IP addresses and ranges.

const ipv4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

export const isIPv4 = (text = ''): boolean => ipv4.test(text) && !/(^|\.)0\d/.test(text);

export function isIPv6(text = ''): boolean {
  if (!text.includes(':') || /[^0-9a-fA-F:.]/.test(text)) return false;
  let head = text;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    if (!isIPv4(text.slice(lastColon + 1))) return false;
    head = `${text.slice(0, lastColon)}:0:0`;
  }
  const halves = head.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half ? half.split(':') : []));
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

export const isIP = (text = ''): boolean => isIPv4(text) || isIPv6(text);

/** `10.0.0.0/8`, `2001:db8::/64`. */
export function isCIDR(text: string): boolean {
  const [ip, length, ...rest] = text.split('/');
  if (rest.length || !length || !/^(0|[1-9]\d*)$/.test(length)) return false;
  return isIPv4(ip!) ? Number(length) <= 32 : isIPv6(ip!) && Number(length) <= 128;
}

/** The address as one number, with its width in bits: 32 or 128. */
export function ipBits(text: string): { bits: bigint; width: 32 | 128 } | undefined {
  if (isIPv4(text))
    return { bits: text.split('.').reduce((n, part) => n * 256n + BigInt(part), 0n), width: 32 };
  if (!isIPv6(text)) return undefined;
  let head = text;
  if (text.includes('.')) {
    const colon = text.lastIndexOf(':');
    const low = ipBits(text.slice(colon + 1))!.bits;
    head = `${text.slice(0, colon)}:${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [left = '', right] = head.split('::');
  const groups = (half: string) => (half ? half.split(':') : []);
  const all =
    right === undefined
      ? groups(left)
      : [
          ...groups(left),
          ...Array(8 - groups(left).length - groups(right).length).fill('0'),
          ...groups(right),
        ];
  return { bits: all.reduce((n, group) => n * 65536n + BigInt(`0x${group}`), 0n), width: 128 };
}

/** The address in its one canonical form (RFC 5952). */
export function formatIP(bits: bigint, width: 32 | 128): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (bits >> BigInt(112 - 16 * i)) & 0xffffn);
  const text = groups.map((group) => group.toString(16)).join(':');
  // The longest run of zeros, the first of several, when there are two at least.
  const runs = [...text.matchAll(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g)];
  const longest = runs.reduce<RegExpExecArray | undefined>(
    (best, run) => (best && best[0].length >= run[0].length ? best : run),
    undefined,
  );
  if (!longest) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The first and the last address of `10.96.0.0/16`, as numbers; undefined for what is no range. */
export function ipRange(cidr: string): { first: bigint; last: bigint; width: 32 | 128 } | undefined {
  if (!isCIDR(cidr)) return undefined;
  const [address, length] = cidr.split('/') as [string, string];
  const { bits, width } = ipBits(address)!;
  const size = 1n << BigInt(width - Number(length));
  const first = bits - (bits % size);
  return { first, last: first + size - 1n, width };
}
