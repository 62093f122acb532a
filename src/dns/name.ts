// Domain names as text: absolute, with the final dot; the root is `.`. A dot or backslash inside a label has a backslash
// before it, a byte that is not printable ASCII is `\DDD`. RFC 1035, section 5.1.

/** The form in which names are compared: DNS ignores the case of ASCII letters. */
export const lower = (name: string): string => name.toLowerCase();

/** `example.com` -> `example.com.`, lowercase. */
export const absolute = (name: string): string => (name.endsWith('.') ? lower(name) : `${lower(name)}.`);

/** Whether `name` is `zone` or below it; both lowercase. */
export const isWithin = (name: string, zone: string): boolean =>
  zone === '.' || name === zone || name.endsWith(`.${zone}`);

/** The longest of the zones that has the name. */
export function longestMatch(name: string, zones: Iterable<string>): string | undefined {
  let best: string | undefined;
  for (const zone of zones)
    if (isWithin(name, zone) && (best === undefined || zone.length > best.length)) best = zone;
  return best;
}

/** Labels of `name` in front of `zone`: `a.b.example.com.` in `example.com.` -> ['a', 'b']. */
export function labelsBefore(name: string, zone: string): string[] {
  const rest = zone === '.' ? name.slice(0, -1) : name.slice(0, -zone.length - 1);
  return rest === '' || name === zone ? [] : rest.split('.');
}

/** The address that a name in in-addr.arpa or ip6.arpa stands for, as bytes. */
export function reverseAddress(name: string): Uint8Array | undefined {
  if (name.endsWith('.in-addr.arpa.')) {
    const parts = labelsBefore(name, 'in-addr.arpa.').reverse();
    if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
      return undefined;
    return Uint8Array.from(parts, Number);
  }
  if (!name.endsWith('.ip6.arpa.')) return undefined;
  const nibbles = labelsBefore(name, 'ip6.arpa.').reverse();
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined;
  return Uint8Array.from({ length: 16 }, (_, i) =>
    Number.parseInt(nibbles[2 * i]! + nibbles[2 * i + 1]!, 16),
  );
}

/** `10.0.0.0/24` -> `0.0.10.in-addr.arpa.`, the zone of its reverse names; undefined for what is no such range. */
export function reverseZone(cidr: string): string | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  if (!match) return undefined;
  const kept = Math.floor(Number(match[5]) / 8);
  return `${[...match.slice(1, 1 + kept).reverse(), 'in-addr.arpa'].join('.')}.`;
}
