// The environment of a container: names, and where values come from.
import { configKeyProblems, dnsSubdomainProblems, envVarNameProblems } from '../../machinery/names.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { present, problems } from '../checks.ts';
import { fieldRefErrors, resourceFieldRefErrors } from './field-ref-validation.ts';
import type { EnvFromSource, EnvVar } from './v1.gen.ts';

/** Single variables. */
export function envErrors(env: EnvVar[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  env?.forEach(({ name, value, valueFrom }, i) => {
    const at = path.child(i);
    if (!name) errors.push(at.child('name').required());
    else errors.push(...problems(envVarNameProblems(name), name, at.child('name')));
    if (valueFrom) errors.push(...valueFromErrors(valueFrom, value, at.child('valueFrom')));
  });
  return errors;
}

function valueFromErrors(
  from: NonNullable<EnvVar['valueFrom']>,
  value: string | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  if (from.fieldRef) {
    count++;
    errors.push(...fieldRefErrors(from.fieldRef, false, path.child('fieldRef')));
  }
  if (from.resourceFieldRef) {
    count++;
    errors.push(...resourceFieldRefErrors(from.resourceFieldRef, false, path.child('resourceFieldRef')));
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = from[kind];
    if (!ref) continue;
    count++;
    const at = path.child(kind);
    if (ref.name) errors.push(...problems(dnsSubdomainProblems(ref.name), ref.name, at.child('name')));
    if (!ref.key) errors.push(at.child('key').required());
    else errors.push(...problems(configKeyProblems(ref.key), ref.key, at.child('key')));
  }
  if (from.fileKeyRef) {
    count++;
    const at = path.child('fileKeyRef');
    for (const name of ['key', 'volumeName', 'path'] as const)
      errors.push(...present(from.fileKeyRef[name], at.child(name)));
  }
  if (!count)
    errors.push(
      path.invalid(
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    );
  else if (value) errors.push(path.invalid('', 'may not be specified when `value` is not empty'));
  else if (count > 1) errors.push(path.invalid('', 'may not have more than one field specified at a time'));
  return errors;
}

/** Whole maps and secrets as environment. */
export function envFromErrors(sources: EnvFromSource[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  sources?.forEach(({ prefix, configMapRef, secretRef }, i) => {
    const at = path.child(i);
    if (prefix) errors.push(...problems(envVarNameProblems(prefix), prefix, at.child('prefix')));
    for (const [name, ref] of [
      ['configMapRef', configMapRef],
      ['secretRef', secretRef],
    ] as const) {
      if (!ref) continue;
      const where = at.child(name, 'name');
      errors.push(
        ...(ref.name ? problems(dnsSubdomainProblems(ref.name), ref.name, where) : [where.required()]),
      );
    }
    if (!configMapRef && !secretRef)
      errors.push(path.invalid('', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (configMapRef && secretRef)
      errors.push(path.invalid('', 'may not have more than one field specified at a time'));
  });
  return errors;
}
