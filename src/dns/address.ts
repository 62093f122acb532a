/** Bytes of an IPv4 (4) or IPv6 (16) address; undefined when the text is neither. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parse6(text) : parse4(text);
}

function parse4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function parse6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] | undefined => {
    const numbers: number[] = [];
    const parts = half === '' ? [] : half.split(':');
    for (const [i, part] of parts.entries()) {
      const dotted = i === parts.length - 1 ? parse4(part) : undefined;
      if (dotted) numbers.push(dotted[0]! * 256 + dotted[1]!, dotted[2]! * 256 + dotted[3]!);
      else if (/^[0-9a-f]{1,4}$/i.test(part)) numbers.push(Number.parseInt(part, 16));
      else return undefined;
    }
    return numbers;
  };
  const [head, tail] = [groups(halves[0]!), groups(halves[1] ?? '')];
  if (!head || !tail) return undefined;
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return undefined;
  const all = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** The usual text of an address; IPv6 as in RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16));
  const [zeros] = [...` ${groups.join(' ')} `.matchAll(/(?<= )(0 ){2,}/g)].sort(
    (a, b) => b[0].length - a[0].length,
  );
  if (!zeros) return groups.join(':');
  const before = ` ${groups.join(' ')} `.slice(1, zeros.index).trim();
  const after = ` ${groups.join(' ')} `.slice(zeros.index + zeros[0].length).trim();
  return `${before.replaceAll(' ', ':')}::${after.replaceAll(' ', ':')}`;
}
