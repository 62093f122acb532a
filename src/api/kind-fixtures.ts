// For tests of kinds: an object as the server makes it, what is wrong with it, and how it is shown.
import assert from 'node:assert/strict';
import type { Kind, WriteContext } from '../machinery/kind.ts';
import { clone } from '../machinery/meta.ts';
import type { FieldError } from '../machinery/status.ts';

export const context: WriteContext = { nowMs: 100_000, user: 'jane', random: () => 0 };

/** A new object, with its defaults. `more` holds metadata, status and whatever the kind has beside a spec. */
export function made(kind: Kind<any>, more: Record<string, any>, nowMs = context.nowMs): any {
  const { status, metadata, ...rest } = clone(more);
  const object = {
    ...rest,
    metadata: { name: 'a', ...(kind.namespaced ? { namespace: 'd' } : {}), ...metadata },
  };
  kind.rules.defaults?.(object);
  kind.rules.prepareCreate?.(object, { ...context, nowMs });
  return status ? { ...object, status } : object;
}

export const texts = (errors: FieldError[]): string[] => errors.map((e) => `${e.field}: ${e.message}`);

export const errorsOf = (kind: Kind<any>, object: any): string[] =>
  texts(kind.rules.validate?.(object, context) ?? []);

/** Each object of a table has the error that begins so. */
export function refuses(cases: [kind: Kind<any>, more: Record<string, any>, error: string][]): void {
  for (const [kind, more, expected] of cases) {
    const found = errorsOf(kind, made(kind, more));
    assert.ok(
      found.some((error) => error.startsWith(expected)),
      `${kind.kind}: ${expected}\n${found.join('\n')}`,
    );
  }
}

/** The cells of an object but its name and age, in the order of the columns. */
export const cellsOf = (kind: Kind<any>, object: any): unknown[] =>
  kind.columns
    .filter(({ name }) => !['Name', 'Age', 'Created At'].includes(name))
    .map((column) => column.value(object, context.nowMs));
