import { equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { quantityErrors, quotaResourceNameErrors } from './resource-validation.ts';
import type { ResourceQuota } from './v1.gen.ts';

const SPEC = field('spec');
const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];
const opposed = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
];

function scopesErrors({ spec }: ResourceQuota): FieldError[] {
  const errors: FieldError[] = [];
  const given = [
    ...(spec.scopes ?? []),
    ...(spec.scopeSelector?.matchExpressions ?? []).map((e) => e.scopeName),
  ];
  const at = SPEC.child(spec.scopes ? 'scopes' : 'scopeSelector');
  for (const scope of given) if (!scopes.includes(scope)) errors.push(at.invalid(given, 'unsupported scope'));
  for (const [a, b] of opposed)
    if (given.includes(a!) && given.includes(b!)) errors.push(at.invalid(given, 'conflicting scopes'));
  spec.scopeSelector?.matchExpressions?.forEach(({ operator, values = [], scopeName }, i) => {
    const where = SPEC.child('scopeSelector', 'matchExpressions', i);
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator))
      errors.push(where.child('operator').invalid(operator, 'not a valid selector operator'));
    else if (operator.endsWith('In') && !values.length)
      errors.push(
        where
          .child('values')
          .required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
      );
    else if (!operator.endsWith('In') && values.length)
      errors.push(
        where
          .child('values')
          .invalid(
            values,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
          ),
      );
    if (scopeName !== 'PriorityClass' && scopeName !== 'VolumeAttributesClass' && operator !== 'Exists')
      errors.push(
        where
          .child('operator')
          .invalid(
            operator,
            "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
          ),
      );
  });
  return errors;
}

/** The columns show how much of each is used: `pods: 1/10, requests.cpu: 250m/1`. */
function usage({ spec, status }: ResourceQuota, limits: boolean): string {
  return Object.keys(status?.hard ?? spec?.hard ?? {})
    .filter((name) => name.startsWith('limits.') === limits)
    .sort()
    .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name] ?? spec?.hard?.[name]}`)
    .join(', ');
}

export const resourceQuotas = kind<ResourceQuota>({
  facts: 'v1 ResourceQuota',
  generation: false,
  defaults(quota) {
    quota.spec ??= {};
  },
  prepareCreate(quota) {
    quota.status = {};
  },
  validate: (quota) => {
    const errors = scopesErrors(quota);
    for (const name in quota.spec.hard) {
      const at = SPEC.child('hard').key(name);
      const counted = name.startsWith('count/') || name.includes('.storageclass.storage.k8s.io/');
      if (!counted) errors.push(...quotaResourceNameErrors(name, at));
      errors.push(...quantityErrors(name, quota.spec.hard[name]!, at));
    }
    return errors;
  },
  validateUpdate: ({ spec }, { spec: before }) =>
    equal([...(spec.scopes ?? [])].sort(), [...(before.scopes ?? [])].sort())
      ? []
      : [SPEC.child('scopes').invalid(spec.scopes, 'field is immutable')],
  columns: { Request: (quota) => usage(quota, false), Limit: (quota) => usage(quota, true) },
});
