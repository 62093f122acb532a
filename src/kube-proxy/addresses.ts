// IPv4 addresses and ranges as text. Whatever goes into a rule passes here first: text that is no address never reaches
// iptables-restore, where it could break the rules of all services or smuggle in one more.

/** A dotted IPv4 address as an unsigned number; undefined when it is none. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export const isAddress = (text: string | undefined): text is string =>
  text !== undefined && parseAddress(text) !== undefined;

export interface Range {
  readonly first: number;
  readonly last: number;
}

/** `10.244.0.0/24` -> its first and last address; undefined when it is no IPv4 range. */
export function parseRange(text: string): Range | undefined {
  const [address = '', bits = '', more] = text.trim().split('/');
  const number = parseAddress(address);
  if (number === undefined || more !== undefined || !/^(\d|[12]\d|3[0-2])$/.test(bits)) return undefined;
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(number / size) * size;
  return { first, last: first + size - 1 };
}

/** Whether the range has the address; false when either is malformed. */
export function contains(range: string, address: string): boolean {
  const limits = parseRange(range);
  const number = parseAddress(address);
  return limits !== undefined && number !== undefined && number >= limits.first && number <= limits.last;
}
