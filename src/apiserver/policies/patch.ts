// What a mutation makes of an object: its expression gives fields to be merged, or the operations of a JSON Patch.
// https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
import { mergeTyped } from '../../machinery/apply/merge.ts';
import { checkApplied } from '../../machinery/apply/typed.ts';
import { isMap, toJson, type Value } from '../../machinery/cel/values.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { jsonPatch } from '../../machinery/patch/json.ts';
import { childNode, type SchemaNode } from '../../machinery/schema-node.ts';
import { isStatusError } from '../../machinery/status.ts';

/** The mutation cannot be made: failurePolicy says what that means. */
export class MutationError extends Error {}

/** Merges `Object{...}` into the object, as an applied configuration is. Throws MutationError. */
export function applied(node: SchemaNode | undefined, object: AnyObject, value: Value): AnyObject {
  checkTypeNames(value);
  const configuration = { ...toJson(value), apiVersion: object.apiVersion, kind: object.kind };
  const fail = (why: string) => new MutationError(`error applying patch: ${why}`);
  const wrong = checkApplied(node, configuration);
  if (wrong.length) throw fail(`failed to convert patch object to typed object: ${together(wrong)}`);
  const found = atomics(node, configuration, '');
  if (found.length)
    throw fail(
      `invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${found.join(', ')}`,
    );
  return mergeTyped(node, object, configuration);
}

const together = (errors: string[]): string =>
  errors.length === 1 ? errors[0]! : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`;

/** A list of `JSONPatch{...}`. Throws MutationError. */
export function patchedBy(object: AnyObject, operations: Value): AnyObject {
  const patch = (operations as Value[]).map((operation) => {
    const value = isMap(operation) ? operation.get('value') : undefined;
    if (value !== undefined) checkTypeNames(value);
    const { from, ...rest } = toJson(operation);
    return from ? { ...rest, from } : rest;
  });
  try {
    return jsonPatch(object, patch);
  } catch (error) {
    if (!isStatusError(error)) throw error;
    const why = error.status.details?.causes?.[0]?.message ?? error.message;
    // A patch whose test fails is not for this object.
    if (why.startsWith('testing value ')) return object;
    throw new MutationError(`JSON Patch: ${why}`);
  }
}

/** `Object{spec: Object.spec{}}`: what stands at a place has that place's name. */
function checkTypeNames(value: Value): void {
  const wrong: string[] = [];
  const walk = (item: Value, path: string) => {
    if (Array.isArray(item)) {
      for (const element of item) walk(element, path);
    } else if (isMap(item)) {
      const name = item.messageType;
      if (name !== undefined && name !== path)
        wrong.push(
          `unexpected type name "${name}", expected "${path}", which matches field name path from root Object type`,
        );
      for (const key of item.keys())
        walk(item.get(key) ?? null, name === undefined ? path : `${path}.${key}`);
    }
  };
  walk(value, (isMap(value) && value.messageType) || '');
  if (wrong.length) throw new MutationError(`type mismatch: ${wrong.join('\n')}`);
}

/** Whoever sets a part of what is replaced as a whole would lose the rest of it. */
function atomics(node: SchemaNode | undefined, value: unknown, path: string): string[] {
  if (!node || typeof value !== 'object' || value === null) return [];
  const own = node.atomic ? [path] : [];
  if (Array.isArray(value))
    return [...own, ...value.flatMap((item, i) => atomics(node.element, item, `${path}[${i}]`))];
  if (!node.struct) return own;
  return [
    ...own,
    ...Object.entries(value).flatMap(([key, item]) => atomics(childNode(node, key), item, `${path}.${key}`)),
  ];
}
