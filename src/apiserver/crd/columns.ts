// additionalPrinterColumns: what a Table shows of a custom resource.
import type { CustomResourceDefinitionVersion } from '../../api/apiextensions/v1.gen.ts';
import { age, since } from '../../api/define.ts';
import type { Column } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { evaluatePath } from './path.ts';

/** The name, the columns of the definition, or, where it has none, the age. */
export function columnsOf({ additionalPrinterColumns }: CustomResourceDefinitionVersion): Column[] {
  const name: Column = {
    ...{ name: 'Name', type: 'string', format: 'name', priority: 0 },
    value: (o) => o.metadata.name,
  };
  if (!additionalPrinterColumns?.length)
    return [name, { name: 'Age', type: 'date', format: '', priority: 0, value: age }];
  return [
    name,
    ...additionalPrinterColumns.map(
      ({ name, type, format = '', priority = 0, jsonPath }): Column => ({
        ...{ name, type, format, priority },
        value: (object: AnyObject, nowMs: number) => cellOf(type, evaluatePath(jsonPath, object), nowMs),
      }),
    ),
  ];
}

/** A value as a cell of a type; nothing where it is of another. */
function cellOf(type: string, value: unknown, nowMs: number): string | number | boolean | undefined {
  if (value === undefined || value === null) return undefined;
  switch (type) {
    case 'string':
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : undefined;
    case 'number':
      return typeof value === 'number' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'date':
      if (typeof value !== 'string') return undefined;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : since(value, nowMs);
    default:
      return undefined;
  }
}
