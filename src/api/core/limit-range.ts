import { compareQuantity, parseQuantity } from '../../machinery/quantity.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { quantityErrors, resourceNameErrors } from './resource-validation.ts';
import type { LimitRange, LimitRangeItem } from './v1.gen.ts';

type Amounts = Record<string, string>;

function itemErrors(item: LimitRangeItem, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const {
    type,
    min = {},
    max = {},
    default: limit = {},
    defaultRequest: request = {},
    maxLimitRequestRatio: ratio = {},
  } = item;
  if (!['Container', 'PersistentVolumeClaim', 'Pod'].includes(type) && !type?.includes('/'))
    errors.push(path.child('type').invalid(type, 'must be a standard limit type or fully qualified'));
  if (type === 'Pod')
    for (const name of ['default', 'defaultRequest'] as const)
      if (Object.keys(item[name] ?? {}).length)
        errors.push(path.child(name).forbidden("may not be specified when `type` is 'Pod'"));
  if (type === 'PersistentVolumeClaim' && min.storage === undefined && max.storage === undefined)
    errors.push(
      path
        .child('limits')
        .required('either minimum or maximum storage value is required, but neither was provided'),
    );
  const lists: [string, Amounts][] = [
    ['min', min],
    ['max', max],
    ['default', limit],
    ['defaultRequest', request],
  ];
  for (const [list, amounts] of lists)
    for (const name in amounts) {
      const at = path.child(list).key(name);
      errors.push(...resourceNameErrors(name, at), ...quantityErrors(name, amounts[name]!, at));
    }
  /** One amount must not be more than the other. */
  const ordered = (
    low: Amounts,
    lowName: string,
    high: Amounts,
    highName: string,
    list: string,
    shown: Amounts,
  ) => {
    for (const name in low)
      if (high[name] !== undefined && compareQuantity(low[name], high[name]) > 0)
        errors.push(
          path
            .child(list)
            .key(name)
            .invalid(
              shown[name],
              `${lowName} value ${low[name]} is greater than ${highName} value ${high[name]}`,
            ),
        );
  };
  ordered(min, 'min', max, 'max', 'min', min);
  ordered(min, 'min', request, 'default request', 'defaultRequest', request);
  ordered(request, 'default request', max, 'max', 'defaultRequest', request);
  ordered(request, 'default request', limit, 'default limit', 'defaultRequest', request);
  ordered(min, 'min', limit, 'default', 'default', min);
  ordered(limit, 'default', max, 'max', 'default', max);
  for (const name in ratio) {
    const at = path.child('maxLimitRequestRatio').key(name);
    const value = ratio[name]!;
    if (compareQuantity(value, '1') < 0) errors.push(at.invalid(value, `ratio ${value} is less than 1`));
    const low = parseQuantity(min[name]);
    const high = parseQuantity(max[name]);
    if (low > 0 && high > 0 && parseQuantity(value) > high / low)
      errors.push(at.invalid(value, `ratio ${value} is greater than max/min = ${(high / low).toFixed(6)}`));
  }
  return errors;
}

/** Of containers: a limit from the maximum, a request from the limit or else the minimum. */
function itemDefaults(item: LimitRangeItem): void {
  if (item.type !== 'Container') return;
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
}

export const limitRanges = kind<LimitRange>({
  facts: 'v1 LimitRange',
  defaults(range) {
    range.spec ??= { limits: [] };
    for (const item of range.spec.limits ?? []) itemDefaults(item);
  },
  validate({ spec }) {
    const types = (spec.limits ?? []).map((item) => item.type);
    return (spec.limits ?? []).flatMap((item, i) => {
      const at = field('spec', 'limits', i);
      return [
        ...(types.indexOf(item.type) < i ? [at.child('type').duplicate(item.type)] : []),
        ...itemErrors(item, at),
      ];
    });
  },
});
