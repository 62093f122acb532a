import { goText, sortedKeys } from '../printers/go-values.ts';
import { begin, type Describer, describeEvents } from './describer.ts';
import type { Description } from './description.ts';

const shownAbove = new Set([
  '.metadata.managedFields',
  '.metadata.name',
  '.metadata.namespace',
  '.metadata.labels',
  '.metadata.annotations',
]);
const acronyms = new Set(['API', 'URL', 'UID', 'OSB', 'GUID']);

/** `creationTimestamp` -> `Creation Timestamp`. A name with other signs than letters stays. */
export function labelFor(field: string): string {
  if (/[^\p{L}-]/u.test(field)) return field;
  const parts = field.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|-+/gu) ?? [field];
  return parts
    .map((part) => {
      if (acronyms.has(part.toUpperCase())) return part.toUpperCase();
      return part.toLowerCase() === part ? part[0]!.toUpperCase() + part.slice(1) : part;
    })
    .join(' ');
}

function content(d: Description, level: number, value: Record<string, unknown>, path: string): void {
  for (const key of sortedKeys(value)) {
    const at = `${path}.${key}`;
    if (shownAbove.has(at)) continue;
    const inner = value[key];
    const label = labelFor(key);
    if (Array.isArray(inner)) {
      d.line(level, `${label}:`);
      for (const item of inner) {
        if (typeof item === 'object' && item !== null && !Array.isArray(item))
          content(d, level + 1, item, at);
        else d.line(level + 1, goText(item));
      }
    } else if (typeof inner === 'object' && inner !== null) {
      d.line(level, `${label}:`);
      content(d, level + 1, inner as Record<string, unknown>, at);
    } else d.field(label, goText(inner), level);
  }
}

/** Any object: everything that is in it. */
export const describeGeneric: Describer = async (d, object, tools) => {
  begin(d, object);
  content(d, 0, object, '');
  await describeEvents(d, object, tools);
};
