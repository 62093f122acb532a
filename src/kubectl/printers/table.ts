// Server-side tables (meta.k8s.io/v1 Table) as text.
import type { AnyObject } from '../../machinery/meta.ts';
import { goText } from './go-values.ts';
import type { TabWriter } from './tabs.ts';

export interface TableColumn {
  name: string;
  type: string;
  format?: string;
  priority?: number;
}
export interface TableRow {
  cells: unknown[];
  object?: AnyObject;
}
export interface Table {
  kind: 'Table';
  metadata?: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: TableColumn[];
  rows: TableRow[];
}

export const isTable = (object: unknown): object is Table => (object as Table)?.kind === 'Table';

export interface TableOptions {
  noHeaders?: boolean;
  wide?: boolean;
  withNamespace?: boolean;
  showLabels?: boolean;
  labelColumns?: string[];
  /** `deployment.apps` before the names, where several kinds are shown. */
  kindPrefix?: string;
}

/** Escape sequences must not reach the terminal. */
export const escapeTerminal = (text: string): string => text.replaceAll('\x1b', '^[').replaceAll('\r', '\\r');

const eventNames: Record<string, string> = {
  ADDED: 'ADDED   ',
  MODIFIED: 'MODIFIED',
  DELETED: 'DELETED ',
  ERROR: 'ERROR   ',
};

/** Prints tables one after another; a header is printed when the columns change. */
export class TablePrinter {
  readonly #options: TableOptions;
  #columns: TableColumn[] = [];
  #hasHeader = false;
  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** `event` is the type of a watch event, shown in a first column. */
  print(table: Table, out: TabWriter, event?: string): void {
    const known = JSON.stringify(this.#columns);
    const columns = table.columnDefinitions?.length ? table.columnDefinitions : this.#columns;
    const same = JSON.stringify(columns) === known;
    const header = !this.#options.noHeaders && !(this.#hasHeader && same);
    this.#columns = columns;
    if (!same) this.#hasHeader = false;
    const rows = table.rows ?? [];
    if (!rows.length) return;
    this.#hasHeader = true;
    const shown = this.#decorate(columns, event);
    if (header) out.line(...shown.map(({ name }) => name.toUpperCase()));
    for (const row of rows) out.line(...shown.map(({ cell }) => cellText(cell(row))));
  }

  #decorate(columns: TableColumn[], event?: string): { name: string; cell(row: TableRow): unknown }[] {
    const { wide, withNamespace, showLabels, labelColumns = [], kindPrefix } = this.#options;
    const shown: { name: string; cell(row: TableRow): unknown }[] = [];
    if (event) shown.push({ name: 'Event', cell: () => eventNames[event] ?? event });
    if (withNamespace) shown.push({ name: 'Namespace', cell: (row) => row.object?.metadata?.namespace });
    const nameColumn = columns.findIndex((c) => c.format === 'name' && c.type === 'string');
    columns.forEach((column, i) => {
      if (column.priority && !wide) return;
      const cell = (row: TableRow) =>
        i === nameColumn && kindPrefix ? `${kindPrefix}/${row.cells[i]}` : row.cells[i];
      shown.push({ name: column.name, cell });
    });
    for (const label of labelColumns)
      shown.push({
        name: label.slice(label.lastIndexOf('/') + 1),
        cell: (row) => row.object?.metadata?.labels?.[label],
      });
    if (showLabels) shown.push({ name: 'Labels', cell: (row) => formatLabels(row.object?.metadata?.labels) });
    return shown;
  }
}

/** `a=1,b=2`, or `<none>`. */
export const formatLabels = (labels: Record<string, string> | undefined): string => {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length ? pairs.sort().join(',') : '<none>';
};

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return '';
  const text = goText(cell);
  const end = text.search(/[\f\n\r]/);
  return end < 0 ? escapeTerminal(text) : `${escapeTerminal(text.slice(0, end))}...`;
}
