// The Corefile: server blocks, each with zones and directives. Format: https://coredns.io/manual/configuration/
//
//   .:53 {                      zones (a port after a colon is accepted and not used: addresses are the server's)
//     cache 30 {                directive with arguments
//       disable success         lines of the directive's own block
//     }
//   }

import { absolute, reverseZone } from './name.ts';

/** Words of one line, and where it stands. */
export interface Line {
  readonly words: readonly string[];
  readonly line: number;
}

export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly body: readonly Line[];
  readonly line: number;
}

export interface ServerBlock {
  /** Absolute, lowercase. */
  readonly zones: readonly string[];
  readonly directives: readonly Directive[];
  readonly line: number;
}

/** Says what is wrong and in which line. */
export class CorefileError extends Error {
  constructor(line: number, problem: string) {
    super(`Corefile, line ${line}: ${problem}`);
    this.name = 'CorefileError';
  }
}

/** Words, quoted where they hold blanks or braces; `#` at the beginning of a word starts a comment. */
function readLines(text: string): Line[] {
  return text.split(/\r?\n/).flatMap((source, i): Line[] => {
    const words: string[] = [];
    for (const [word, quoted] of source.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)) {
      if (word.startsWith('#')) break;
      words.push(quoted === undefined ? word : quoted.replace(/\\(["\\])/g, '$1'));
    }
    return words.length > 0 ? [{ words, line: i + 1 }] : [];
  });
}

/** A zone as the Corefile writes it: `example.org`, `dns://.:53`, `10.0.0.0/24` for the reverse names of a range. */
function parseZone(text: string, line: number): string {
  const bare = text
    .replace(/^dns:\/\//, '')
    .replace(/,$/, '')
    .replace(/:\d+$/, '');
  if (/^\w+:\/\//.test(bare)) throw new CorefileError(line, `only plain DNS is served, not ${text}`);
  const reverse = reverseZone(bare);
  if (bare.includes('/') && !reverse) throw new CorefileError(line, `not an IPv4 range: ${text}`);
  return reverse ?? (bare === '' ? '.' : absolute(bare));
}

/** Zones that a directive names, or those of its server block. */
export const zonesOf = (
  names: readonly string[],
  otherwise: readonly string[],
  line: number,
): readonly string[] => (names.length > 0 ? names.map((name) => parseZone(name, line)) : otherwise);

export function parseCorefile(text: string): ServerBlock[] {
  const lines = readLines(text);
  const blocks: ServerBlock[] = [];
  const snippets = new Map<string, Directive[]>();
  let at = 0;

  /** Lines up to the closing brace. */
  const body = (opened: number): Line[] => {
    const found: Line[] = [];
    for (;;) {
      const line = lines[at++];
      if (!line) throw new CorefileError(opened, 'this block is not closed');
      if (line.words[0] === '}') return found;
      if (line.words.at(-1) === '{') throw new CorefileError(line.line, 'a block inside a directive’s block');
      found.push(line);
    }
  };
  const directives = (opened: number): Directive[] => {
    const found: Directive[] = [];
    for (;;) {
      const next = lines[at++];
      if (!next) throw new CorefileError(opened, 'this block is not closed');
      const { words, line } = next;
      if (words[0] === '}') return found;
      if (words[0] === 'import') {
        const snippet = snippets.get(words[1] ?? '');
        if (!snippet)
          throw new CorefileError(line, `there is no snippet (${words[1] ?? ''}) before this line`);
        found.push(...snippet);
        continue;
      }
      const hasBody = words.at(-1) === '{';
      const [name, ...args] = hasBody ? words.slice(0, -1) : words;
      if (!name) throw new CorefileError(line, 'a block without a name');
      found.push({ name, args, body: hasBody ? body(line) : [], line });
    }
  };

  while (at < lines.length) {
    const { words, line } = lines[at++]!;
    if (words.at(-1) !== '{') throw new CorefileError(line, 'expected zones and an opening brace');
    const keys = words.slice(0, -1);
    if (keys.length === 0) throw new CorefileError(line, 'a server block without zones');
    const snippet = /^\((.+)\)$/.exec(keys[0]!)?.[1];
    if (snippet) snippets.set(snippet, directives(line));
    else blocks.push({ zones: keys.map((key) => parseZone(key, line)), directives: directives(line), line });
  }
  return blocks;
}

/** `30`, `5s`, `1m30s`, `500ms` -> milliseconds. */
export function parseDuration(text: string | undefined, line: number): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (/^\d+$/.test(text ?? '')) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text ?? ''))
    throw new CorefileError(line, `not a duration: ${text ?? ''}`);
  return [...text!.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, m) => sum + Number(m[1]) * units[m[2]!]!,
    0,
  );
}

/** A whole number, or a CorefileError. */
export function parseCount(text: string | undefined, line: number): number {
  if (!/^\d{1,9}$/.test(text ?? '')) throw new CorefileError(line, `not a number: ${text ?? ''}`);
  return Number(text);
}

/** For a word that a plugin does not know. */
export const unknownWord = (plugin: string, { words, line }: Line): CorefileError =>
  new CorefileError(line, `${plugin} does not know ${JSON.stringify(words[0])}`);

/** For plugins without a block of their own. */
export function refuseBody({ name, body }: Directive): void {
  const [first] = body;
  if (first) throw unknownWord(name, first);
}
