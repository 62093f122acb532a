import { equal } from '../../machinery/meta.ts';
import { configKeyProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { problems } from '../checks.ts';
import { kind } from '../define.ts';
import { frozenErrors, MAX_BYTES } from './secret.ts';
import type { ConfigMap } from './v1.gen.ts';

function contentErrors({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const key in data) {
    const at = field('data').key(key);
    errors.push(...problems(configKeyProblems(key), key, at));
    if (Object.hasOwn(binaryData, key))
      errors.push(at.invalid(key, `duplicate of key present in binaryData`));
    size += data[key]!.length;
  }
  for (const key in binaryData) {
    errors.push(...problems(configKeyProblems(key), key, field('binaryData').key(key)));
    size += Math.floor((binaryData[key]!.length * 3) / 4);
  }
  if (size > MAX_BYTES) errors.push(field('').tooLong(MAX_BYTES));
  return errors;
}

export const configMaps = kind<ConfigMap>({
  facts: 'v1 ConfigMap',
  validate: contentErrors,
  validateUpdate: (now, old) => [
    ...frozenErrors(now, old),
    ...(old.immutable && !equal(now.binaryData ?? {}, old.binaryData ?? {})
      ? [field('binaryData').forbidden('field is immutable when `immutable` is set')]
      : []),
  ],
  columns: {
    Data: ({ data = {}, binaryData = {} }) =>
      String(Object.keys(data).length + Object.keys(binaryData).length),
  },
});
