// What commands that write have in common.

import type { AnyObject } from '../machinery/meta.ts';
import type { Context } from './command.ts';
import { KubectlError } from './errors.ts';
import { flag } from './flags.ts';
import { goJson } from './printers/go-values.ts';

export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

export const validateFlag = flag.string(
  'Must be one of: strict (or true), warn, ignore (or false). Whether the server refuses, warns of or drops unknown fields.',
  { default: 'strict', bare: 'strict' },
);
export const fieldManagerFlag = (name: string) =>
  flag.string('Name of the manager used to track field ownership.', { default: name });
export const selectorFlag = flag.string(
  "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'.",
  {
    short: 'l',
  },
);
export const allFlag = flag.bool('Select all resources of the types, in the namespace.');
export const allNamespacesFlag = flag.bool('If true, look in all namespaces.', { short: 'A' });
export const saveConfigFlag = flag.bool(
  'If true, save the configuration of the object in its annotation, as apply needs it.',
);

/** `fieldValidation` of a request. Throws a KubectlError for a value that is not known. */
export function fieldValidation(context: Context): 'Strict' | 'Warn' | 'Ignore' {
  const value: string = context.flags.validate;
  switch (value) {
    case 'true':
    case 'strict':
      return 'Strict';
    case 'warn':
      return 'Warn';
    case 'false':
    case 'ignore':
      return 'Ignore';
    default:
      throw new KubectlError(
        `invalid - validate option ${JSON.stringify(value)}; must be one of: strict (or true), warn, ignore (or false)`,
      );
  }
}

/** The object as apply remembers it: in one line, without the annotation itself. */
export function configurationOf(object: AnyObject): string {
  const { [lastAppliedAnnotation]: _, ...annotations } = object.metadata.annotations ?? {};
  return `${goJson({ ...object, metadata: { ...object.metadata, annotations } })}\n`;
}

/** A copy that carries its own configuration in the annotation. */
export const withConfiguration = (object: AnyObject): AnyObject => ({
  ...object,
  metadata: {
    ...object.metadata,
    annotations: { ...object.metadata.annotations, [lastAppliedAnnotation]: configurationOf(object) },
  },
});

/** Complains of objects without apiVersion or kind, where fields are to be checked. */
export function checkTypes(context: Context, object: AnyObject, source: string): void {
  if (fieldValidation(context) === 'Ignore') return;
  const missing = (['apiVersion', 'kind'] as const)
    .filter((field) => !object?.[field])
    .map((field) => `${field} not set`);
  if (!missing.length) return;
  const list = missing.length === 1 ? missing[0] : `[${missing.join(', ')}]`;
  throw new KubectlError(
    `error validating ${JSON.stringify(source)}: error validating data: ${list}; if you choose to ignore these errors, turn validation off with --validate=false`,
  );
}
