// The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length follow one another in the order of
// their symbols, so the lengths say everything.

// biome-ignore format: a table
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const endOfString = 256;
const longest = 30;

/** For each length: the first code of it, how many there are, and where their symbols begin. */
const first: number[] = [];
const count: number[] = [];
const start: number[] = [];
const symbols: number[] = [];
for (let length = 1, code = 0; length <= longest; length++) {
  code *= 2;
  first[length] = code;
  start[length] = symbols.length;
  for (let symbol = 0; symbol <= endOfString; symbol++) if (lengths[symbol] === length) symbols.push(symbol);
  count[length] = symbols.length - start[length]!;
  code += count[length]!;
}

/** Throws a RangeError for what is no such code. */
export function decodeHuffman(bytes: Uint8Array): string {
  let text = '';
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >>> bit) & 1);
      length++;
      const index = code - first[length]!;
      if (index >= count[length]! || index < 0) {
        if (length === longest) throw new RangeError('a header is not well encoded');
        continue;
      }
      const symbol = symbols[start[length]! + index]!;
      if (symbol === endOfString) throw new RangeError('a header is not well encoded');
      text += String.fromCharCode(symbol);
      code = 0;
      length = 0;
    }
  }
  // What is left is the beginning of the end of the string: ones, fewer than a byte.
  if (length > 7 || code !== 2 ** length - 1) throw new RangeError('a header is not well encoded');
  return text;
}
