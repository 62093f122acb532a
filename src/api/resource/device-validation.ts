// Checks that claims, classes and slices of devices share.
// https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  isCIdentifier,
  labelValueProblems,
  qualifiedNameProblems,
} from '../../machinery/names.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { driverNameErrors, duplicates, oneOf, problems, requiredOneOf } from '../checks.ts';
import type { DeviceSelector, DeviceTaint, DeviceToleration, OpaqueDeviceConfiguration } from './v1.gen.ts';

const MAX_SELECTORS = 32;
const MAX_EXPRESSION = 10 * 1024;
const MAX_PARAMETERS = 10 * 1024;
const effects = ['NoExecute', 'NoSchedule', 'None'];

/** Each item of a list that is not too long; where items have keys, no two have the same. */
export function listErrors<T>(
  list: readonly T[] | undefined,
  max: number,
  path: FieldPath,
  check: (item: T, path: FieldPath) => FieldError[],
  keyOf?: (item: T) => unknown,
): FieldError[] {
  if (!list) return [];
  if (list.length > max) return [path.tooMany(list.length, max)];
  const errors = list.flatMap((item, i) => check(item, path.child(i)));
  return keyOf ? [...errors, ...duplicates(list, keyOf, (i) => path.child(i))] : errors;
}

const named =
  (find: (name: string) => string[]) =>
  (name: string | undefined, path: FieldPath): FieldError[] =>
    name ? problems(find(name), name, path) : [path.required()];

/** Names of requests, devices and counters. */
export const labelNameErrors = named(dnsLabelProblems);
export const classNameErrors = named(dnsSubdomainProblems);

/** DNS subdomains, with slashes between them. */
export function poolNameErrors(name: string | undefined, path: FieldPath): FieldError[] {
  if (!name) return [path.required()];
  const errors = name.split('/').flatMap((part) => problems(dnsSubdomainProblems(part), part, path));
  return name.length > 253 ? [path.tooLong(253), ...errors] : errors;
}

/** `[domain/]identifier`: how attributes and capacities are named. */
export function qualifiedErrors(name: string, path: FieldPath, needsDomain = false): FieldError[] {
  const parts = name.split('/');
  const id = parts.at(-1)!;
  const errors = parts.length > 1 ? driverNameErrors(parts[0], path) : [];
  if (id.length > 32) errors.push(path.tooLong(32));
  if (!isCIdentifier(id))
    errors.push(
      path.invalid(
        id,
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
      ),
    );
  if (needsDomain && parts.length < 2)
    errors.push(
      path.invalid(name, 'a fully qualified name must be a domain and a name separated by a slash'),
    );
  return errors;
}

/** Whether the expression compiles is another matter. */
export const selectorsErrors = (selectors: DeviceSelector[] | undefined, path: FieldPath): FieldError[] =>
  listErrors(selectors, MAX_SELECTORS, path, ({ cel }, at) => {
    if (!cel) return [at.child('cel').required()];
    return cel.expression?.length > MAX_EXPRESSION
      ? [at.child('cel', 'expression').tooLong(MAX_EXPRESSION)]
      : [];
  });

export function configurationErrors(
  { opaque }: { opaque?: OpaqueDeviceConfiguration },
  path: FieldPath,
): FieldError[] {
  const at = path.child('opaque');
  if (!opaque) return [at.required()];
  const { driver, parameters } = opaque;
  const errors = driverNameErrors(driver, at.child('driver'));
  const where = at.child('parameters');
  if (parameters === undefined || parameters === null) errors.push(where.required());
  else if (typeof parameters !== 'object' || Array.isArray(parameters))
    errors.push(where.invalid('<value omitted>', 'must be a valid JSON object'));
  else if (JSON.stringify(parameters).length > MAX_PARAMETERS) errors.push(where.tooLong(MAX_PARAMETERS));
  return errors;
}

export function taintErrors({ key, value, effect }: DeviceTaint, path: FieldPath): FieldError[] {
  return [
    ...problems(qualifiedNameProblems(key ?? ''), key ?? '', path.child('key')),
    ...problems(labelValueProblems(value ?? ''), value, path.child('value')),
    ...requiredOneOf(effect, effects, path.child('effect')),
  ];
}

export function tolerationErrors(toleration: DeviceToleration, path: FieldPath): FieldError[] {
  const { key, operator, value = '', effect } = toleration;
  const at = path.child('value');
  return [
    ...(key ? problems(qualifiedNameProblems(key), key, path.child('key')) : []),
    ...requiredOneOf(operator, ['Equal', 'Exists'], path.child('operator')),
    ...(operator === 'Exists' && value ? [at.invalid(value, 'must be empty for operator `Exists`')] : []),
    ...(operator === 'Equal' ? problems(labelValueProblems(value), value, at) : []),
    ...oneOf(effect, effects, path.child('effect')),
  ];
}
