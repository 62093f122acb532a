// Columns of text with cells ended by tabs, laid out as Go's text/tabwriter does: a column is a run of adjoining lines that
// have a cell there, and is as wide as its widest cell and the padding.

export interface TabOptions {
  minWidth: number;
  padding: number;
  /** A column never gets narrower than it was in what was flushed before: rows of a watch stay below their header. */
  remember?: boolean;
}

/** Tables of `get`. */
export const tableTabs: TabOptions = { minWidth: 6, padding: 3, remember: true };
/** Texts of `describe`. */
export const describeTabs: TabOptions = { minWidth: 0, padding: 2 };

export class TabWriter {
  readonly #options: TabOptions;
  readonly #write: (text: string) => void;
  #pending = '';
  #remembered: number[] = [];
  constructor(options: TabOptions, write: (text: string) => void) {
    this.#options = options;
    this.#write = write;
  }

  write(text: string): void {
    this.#pending += text;
  }

  line(...cells: string[]): void {
    this.#pending += `${cells.join('\t')}\n`;
  }

  /** Forgets the widths of what was flushed. */
  forget(): void {
    this.#remembered = [];
  }

  /** Lays out and writes what was given since the last flush. */
  flush(): void {
    if (!this.#pending) return;
    const lines = this.#pending.split('\n').map((line) => line.split('\t'));
    this.#pending = '';
    let out = '';
    const layOut = (from: number, to: number, widths: number[]): void => {
      let start = from;
      const print = (until: number) => {
        for (; start < until; start++) out += (start ? '\n' : '') + lineText(lines[start]!, widths);
      };
      const column = widths.length;
      for (let i = from; i < to; i++) {
        if (column >= lines[i]!.length - 1) continue;
        print(i);
        let width = this.#options.minWidth;
        for (; i < to && column < lines[i]!.length - 1; i++)
          width = Math.max(width, lengthOf(lines[i]![column]!) + this.#options.padding);
        layOut(start, i, [...widths, this.#widthOf(column, width)]);
        start = i;
        i--;
      }
      print(to);
    };
    layOut(0, lines.length, []);
    this.#write(out);
  }

  #widthOf(column: number, width: number): number {
    if (!this.#options.remember) return width;
    this.#remembered[column] = Math.max(this.#remembered[column] ?? 0, width);
    return this.#remembered[column]!;
  }
}

const lengthOf = (text: string): number => [...text].length;

const lineText = (cells: string[], widths: number[]): string =>
  cells
    .map((cell, i) => (i < widths.length ? cell + ' '.repeat(widths[i]! - lengthOf(cell)) : cell))
    .join('');

/** One text laid out at once. */
export function laidOut(options: TabOptions, text: string): string {
  let out = '';
  const writer = new TabWriter(options, (more) => {
    out += more;
  });
  writer.write(text);
  writer.flush();
  return out;
}
