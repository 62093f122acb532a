// YAML as Kubernetes' tools write it: which strings are quoted, where long ones are folded, how keys are sorted. Anything
// that reads YAML 1.1 reads it; the layout is what scripts and eyes that compare output rely on.
import { formatFloat, kindOf } from './go-values.ts';

const bestWidth = 80;
const longestSimpleKey = 128;

/** A document, without `---`, ending with a newline. */
export function goYaml(value: unknown): string {
  const writer = new Writer();
  writer.value(value, -2, 'document');
  return `${writer.text}\n`;
}

type Context = 'document' | 'mapping' | 'sequence';
type Style = 'plain' | 'single' | 'double' | 'literal';

class Writer {
  text = '';
  /** Column of the next character, in code points. */
  #column = 0;

  #put(text: string): void {
    this.text += text;
    const newline = text.lastIndexOf('\n');
    this.#column = newline < 0 ? this.#column + [...text].length : [...text.slice(newline + 1)].length;
  }

  #indent(width: number): void {
    this.#put(`\n${' '.repeat(Math.max(0, width))}`);
  }

  /** `indent` is that of the block around; a block inside is two further, but a list in a map is not. */
  value(value: unknown, indent: number, context: Context): void {
    switch (kindOf(value)) {
      case 'nil': {
        this.#space(context, 'null');
        return;
      }
      case 'bool':
      case 'int': {
        this.#space(context, String(value));
        return;
      }
      case 'float': {
        this.#space(context, formatFloat(value as number));
        return;
      }
      case 'string':
        if (context === 'mapping') this.#put(' ');
        {
          this.#string(value as string, styleOf(value as string, false), indent + 2, true);
          return;
        }
      case 'slice':
        if (!(value as unknown[]).length) {
          this.#space(context, '[]');
          return;
        }
        {
          this.#list(value as unknown[], indent, context);
          return;
        }
      default:
        if (!Object.keys(value as object).length) {
          this.#space(context, '{}');
          return;
        }
        {
          this.#map(value as Record<string, unknown>, indent + 2, context);
          return;
        }
    }
  }

  #space(context: Context, text: string): void {
    this.#put(context === 'mapping' ? ` ${text}` : text);
  }

  #list(list: unknown[], outer: number, context: Context): void {
    const indent = context === 'mapping' ? outer : outer + 2;
    list.forEach((item, i) => {
      if (i > 0 || context === 'mapping') this.#indent(indent);
      this.#put('- ');
      this.value(item, indent, 'sequence');
    });
  }

  #map(map: Record<string, unknown>, indent: number, context: Context): void {
    const keys = Object.keys(map)
      .filter((key) => map[key] !== undefined)
      .sort(compareKeys);
    keys.forEach((key, i) => {
      if (i > 0 || context === 'mapping') this.#indent(indent);
      const style = styleOf(key, true);
      const simple = !key.includes('\n') && new TextEncoder().encode(key).length <= longestSimpleKey;
      if (simple) {
        this.#string(key, style, indent, false);
        this.#put(':');
        this.value(map[key], indent, 'mapping');
        return;
      }
      this.#put('? ');
      this.#string(key, styleOf(key, false), indent + 2, true);
      this.#indent(indent);
      this.#put(':');
      this.value(map[key], indent, 'mapping');
    });
  }

  #string(text: string, style: Style, indent: number, fold: boolean): void {
    if (style === 'literal') {
      this.#literal(text, indent);
      return;
    }
    if (style === 'double') {
      this.#double(text, indent, fold);
      return;
    }
    const quote = style === 'single' ? "'" : '';
    const characters = [...text];
    this.#put(quote);
    let spaces = false;
    characters.forEach((c, i) => {
      if (c !== ' ') {
        this.#put(c === "'" && quote ? "''" : c);
        spaces = false;
        return;
      }
      const inside = !quote || (i > 0 && i < characters.length - 1);
      if (fold && !spaces && this.#column > bestWidth && inside && characters[i + 1] !== ' ')
        this.#indent(indent);
      else this.#put(c);
      spaces = true;
    });
    this.#put(quote);
  }

  #double(text: string, indent: number, fold: boolean): void {
    const characters = [...text];
    this.#put('"');
    let spaces = false;
    characters.forEach((c, i) => {
      if (c === ' ') {
        if (fold && !spaces && this.#column > bestWidth && i > 0 && i < characters.length - 1) {
          this.#indent(indent);
          if (characters[i + 1] === ' ') this.#put('\\');
        } else this.#put(c);
        spaces = true;
        return;
      }
      this.#put(printable(c) && !isBreak(c) && c !== '"' && c !== '\\' ? c : escaped(c));
      spaces = false;
    });
    this.#put('"');
  }

  #literal(text: string, indent: number): void {
    const hint = text.startsWith(' ') || text.startsWith('\n') ? '2' : '';
    const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : '';
    this.#put(`|${hint}${chomp}`);
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) {
      if (line === '') this.#put('\n');
      else {
        this.#indent(indent);
        this.#put(line);
      }
    }
  }
}

const isBreak = (c: string): boolean =>
  c === '\n' || c === '\r' || c === '\x85' || c === '\u2028' || c === '\u2029';

/** What stands for itself: no control characters (a tab is one), and nothing beyond the basic plane. */
function printable(c: string): boolean {
  const code = c.codePointAt(0)!;
  return (
    code === 0x0a ||
    (code >= 0x20 && code <= 0x7e) ||
    (code >= 0xa0 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd && code !== 0xfeff)
  );
}

const namedEscapes: Record<string, string> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\xa0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function escaped(c: string): string {
  const named = namedEscapes[c];
  if (named) return named;
  const code = c.codePointAt(0)!;
  const hex = (digits: number) => code.toString(16).toUpperCase().padStart(digits, '0');
  return code <= 0xff ? `\\x${hex(2)}` : code <= 0xffff ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

/** How a string is written: plain where it would be read back as the same string. */
function styleOf(text: string, key: boolean): Style {
  const wanted: Style = text.includes('\n') ? 'literal' : resolvesToString(text) ? 'plain' : 'double';
  if (wanted === 'double') return 'double';
  const allowed = analyze(text);
  if (key && allowed.multiline) return 'double';
  if (wanted === 'literal') return allowed.block && !key ? 'literal' : 'double';
  if (allowed.plain) return 'plain';
  return allowed.single ? 'single' : 'double';
}

function analyze(text: string): { plain: boolean; single: boolean; block: boolean; multiline: boolean } {
  const characters = [...text];
  let indicators = text.startsWith('---') || text.startsWith('...');
  let special = false;
  let breaks = false;
  let breakSpace = false;
  let spaceBreak = false;
  const blank = (c: string | undefined): boolean => c === undefined || c === ' ' || c === '\t';
  characters.forEach((c, i) => {
    const next = characters[i + 1];
    const before = characters[i - 1];
    if (i === 0) {
      if ('#,[]{}&*!|>\'"%@`'.includes(c)) indicators = true;
      else if ('?:-'.includes(c) && blank(next)) indicators = true;
    } else if (c === ':' && blank(next)) indicators = true;
    else if (c === '#' && (blank(before) || isBreak(before!))) indicators = true;
    if (!printable(c)) special = true;
    if (isBreak(c)) {
      breaks = true;
      if (before === ' ') spaceBreak = true;
    } else if (c === ' ' && before !== undefined && isBreak(before)) breakSpace = true;
  });
  const edge = (c: string | undefined) => c === ' ' || (c !== undefined && isBreak(c));
  const last = characters.at(-1);
  const never = spaceBreak || special;
  return {
    plain: !never && !breakSpace && !breaks && !indicators && !edge(characters[0]) && !edge(last),
    single: !never && !breakSpace,
    block: !never && last !== ' ',
    multiline: breaks,
  };
}

const words = new Set([
  ...['', '~', '.nan', '.NaN', '.NAN'],
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON', 'true', 'True', 'TRUE'],
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF', 'false', 'False', 'FALSE'],
  ...['null', 'Null', 'NULL'],
  ...['.inf', '.Inf', '.INF'].flatMap((word) => [word, `+${word}`, `-${word}`]),
]);
const integer = /^[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;
const float = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/;
const base60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;
const timestamp =
  /^\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?$/;

/** Whether an unquoted text would be read as a string by YAML 1.1. */
function resolvesToString(text: string): boolean {
  if (words.has(text)) return false;
  if (!/^[-+.\d]/.test(text)) return true;
  const bare = text.replaceAll('_', '');
  if (text.startsWith('.')) return !float.test(text);
  return !(integer.test(bare) || float.test(bare) || base60.test(text) || timestamp.test(text));
}

const isLetter = (c: string): boolean => /\p{L}/u.test(c);
const isDigit = (c: string | undefined): boolean => c !== undefined && /\p{Nd}/u.test(c);

/** Natural order: `item2` before `item10`, other signs before letters. */
export function compareKeys(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < x.length && i < y.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (p === q) continue;
    const [pl, ql] = [isLetter(p), isLetter(q)];
    if (pl && ql) return p < q ? -1 : 1;
    if (pl || ql) return ql ? -1 : 1;
    let start = 0;
    if (p === '0' || q === '0')
      for (let j = i - 1; j >= 0 && isDigit(x[j]); j--)
        if (x[j] !== '0') {
          start = 1;
          break;
        }
    const number = (characters: string[]): [number, number] => {
      let value = start;
      let j = i;
      for (; isDigit(characters[j]); j++) value = value * 10 + Number(characters[j]);
      return [value, j];
    };
    const [[an, ai], [bn, bi]] = [number(x), number(y)];
    if (an !== bn) return an - bn;
    if (ai !== bi) return ai - bi;
    return p < q ? -1 : 1;
  }
  return x.length - y.length;
}
