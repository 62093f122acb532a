/** A dotted IPv4 address as a number; undefined when it is none. */
export function parseIPv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256))
    return undefined;
  return parts.reduce((n, p) => n * 256 + Number(p), 0);
}

export const formatIPv4 = (n: number): string =>
  [n / 2 ** 24, n / 2 ** 16, n / 2 ** 8, n].map((part) => Math.floor(part) % 256).join('.');

/** First and last address of `10.96.0.0/16`. Throws for what is no IPv4 range. */
export function subnet(cidr: string): { first: number; last: number } {
  const [address, bits] = cidr.split('/');
  const n = parseIPv4(address ?? '');
  const size = Number(bits);
  if (n === undefined || !(size >= 0 && size <= 32))
    throw new Error(`${cidr} is not an IPv4 range like 10.96.0.0/16`);
  const count = 2 ** (32 - size);
  const first = Math.floor(n / count) * count;
  return { first, last: first + count - 1 };
}
