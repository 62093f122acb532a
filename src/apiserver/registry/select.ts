import type { Options } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import {
  checkFieldRequirements,
  type FieldRequirement,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from '../../machinery/selectors.ts';

export type Predicate = (object: AnyObject) => boolean;

/** What a label and a field selector let through; undefined when they let everything through. Throws 400. */
export function predicateOf(kind: Kind, options: Options): Predicate | undefined {
  const labels = options.labelSelector ? parseLabelSelector(options.labelSelector) : undefined;
  const fields = options.fieldSelector ? parseFieldSelector(options.fieldSelector) : undefined;
  if (!labels && !fields) return undefined;
  const values = kind.rules.fieldSelectors ?? {};
  if (fields) {
    checkFieldRequirements(
      fields,
      (path) =>
        path === 'metadata.name' ||
        (path === 'metadata.namespace' && kind.namespaced) ||
        Object.hasOwn(values, path),
    );
  }
  return (object) =>
    (!labels || matchesLabels(labels, object.metadata.labels)) &&
    (!fields || matchesFields(fields, (path) => fieldOf(kind, object, path)));
}

function fieldOf(kind: Kind, object: AnyObject, path: string): string | undefined {
  if (path === 'metadata.name') return object.metadata.name;
  if (path === 'metadata.namespace') return object.metadata.namespace;
  return kind.rules.fieldSelectors?.[path]?.(object);
}

/** The one name that a field selector asks for, if it does: such a list is a get. */
export function selectedName(options: Options): string | undefined {
  if (!options.fieldSelector) return undefined;
  const named = parseFieldSelector(options.fieldSelector).find(
    (r: FieldRequirement) => r.path === 'metadata.name' && r.op === '=',
  );
  return named?.value;
}
