// `--sort-by`: objects and rows of tables in the order of a field.
import { compareQuantity, QuantityError } from '../../machinery/quantity.ts';
import { KubectlError } from '../errors.ts';
import { kindOf } from './go-values.ts';
import { JsonPath } from './jsonpath.ts';
import { relaxedPath } from './relaxed-path.ts';
import type { Table, TableRow } from './table.ts';

/** Negative where `a` comes first. Texts that are both quantities are ordered as such; absent values come first. */
export function compareValues(a: unknown, b: unknown): number {
  const [x, y] = [kindOf(a), kindOf(b)];
  if (x === 'nil' || y === 'nil') return (x === 'nil' ? 0 : 1) - (y === 'nil' ? 0 : 1);
  if (x === 'string' && y === 'string') {
    try {
      return compareQuantity(a as string, b as string);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0;
    }
  }
  if ((x === 'int' || x === 'float') && (y === 'int' || y === 'float')) return Number(a) - Number(b);
  throw new KubectlError(`unsortable type: ${x}`);
}

function sorted<T>(items: T[], field: string, objectOf: (item: T) => unknown): T[] {
  const template = relaxedPath(field);
  const path = new JsonPath(template);
  const keys = new Map(items.map((item) => [item, path.find(objectOf(item))[0] ?? []]));
  if (items.length && ![...keys.values()].some((values) => values.length))
    throw new KubectlError(
      `couldn't find any field with path ${JSON.stringify(template)} in the list of objects`,
    );
  return items.toSorted((a, b) => {
    const [x, y] = [keys.get(a)!, keys.get(b)!];
    if (!x.length || !y.length) return (x.length ? 1 : 0) - (y.length ? 1 : 0);
    return compareValues(x[0], y[0]);
  });
}

export const sortObjects = <T>(objects: T[], field: string): T[] =>
  sorted(objects, field, (object) => object);

/** Sorts the rows in place; they must carry their whole objects. */
export function sortTable(table: Table, field: string): void {
  table.rows = sorted<TableRow>(table.rows ?? [], field, (row) => row.object);
}
