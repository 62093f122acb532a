import { longDate } from '../printers/duration.ts';
import { describeTabs, laidOut } from '../printers/tabs.ts';

const maxAnnotation = 140;
const zeroTime = 'Mon, 01 Jan 0001 00:00:00 +0000';
/** Too long for anybody, and of no use to people. */
const skippedAnnotations = new Set(['kubectl.kubernetes.io/last-applied-configuration']);

/** A point in time as descriptions write it; one that is missing is the beginning of time. */
export const dateText = (timestamp: string | undefined | null): string =>
  timestamp ? longDate(timestamp) : zeroTime;

type Labels = Record<string, string> | undefined | null;

export const sortedPairs = (map: Labels): [string, string][] =>
  Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/** `a=1,b=2`, or `<none>`. */
export const pairsText = (map: Labels): string =>
  sortedPairs(map)
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || '<none>';

/** The text of a description: labelled lines, whose values stand below each other. */
export class Description {
  #pending = '';
  #done = '';

  /** A line, two blanks further in for each level. Tabs separate cells. */
  line(level: number, text: string): void {
    this.#pending += `${'  '.repeat(level)}${text}\n`;
  }

  /** `Label:  value`. */
  field(label: string, value: unknown, level = 0): void {
    this.line(level, `${label}:\t${value}`);
  }

  /** Without indentation or an end of line. */
  raw(text: string): void {
    this.#pending += text;
  }

  /** Header, rule and rows; each cell but the last ends with what `gap` says. */
  table(level: number, headers: string[], rows: unknown[][], gap = ''): void {
    this.line(level, headers.join('\t'));
    this.line(level, headers.map((header) => '-'.repeat(header.length)).join('\t'));
    for (const row of rows)
      this.line(level, row.map((cell, i) => `${cell}${i < row.length - 1 ? gap : ''}`).join('\t'));
  }

  /** Values below each other, the first beside the title. */
  list(title: string, values: string[], indent = ''): void {
    this.raw(`${indent}${title}:\t`);
    if (!values.length) this.raw('<none>\n');
    values.forEach((value, i) => {
      this.raw(`${i ? `${indent}\t` : ''}${value}\n`);
    });
  }

  labels(title: string, labels: Labels, indent = ''): void {
    this.list(
      title,
      sortedPairs(labels).map(([key, value]) => `${key}=${value}`),
      indent,
    );
  }

  annotations(title: string, annotations: Labels): void {
    this.raw(`${title}:\t`);
    const pairs = sortedPairs(annotations).filter(([key]) => !skippedAnnotations.has(key));
    if (!pairs.length) this.raw('<none>\n');
    pairs.forEach(([key, raw], i) => {
      if (i) this.raw('\t');
      const value = raw.replace(/\n$/, '');
      if (value.length + key.length + 2 <= maxAnnotation && !value.includes('\n')) {
        this.raw(`${key}: ${value}\n`);
        return;
      }
      this.raw(`${key}:\n`);
      for (const line of value.split('\n')) this.raw(`\t  ${shortened(line, maxAnnotation - 2)}\n`);
    });
  }

  /** What follows is laid out by itself. */
  flush(): void {
    this.#done += this.layOut(this.#pending);
    this.#pending = '';
  }

  protected layOut(text: string): string {
    return laidOut(describeTabs, text);
  }

  toString(): string {
    this.flush();
    return this.#done;
  }
}

export const shortened = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length)}...` : text;

/** The same text with its tabs left as they are: what is quoted inside other texts. */
export class PlainDescription extends Description {
  protected override layOut(text: string): string {
    return text;
  }
}
