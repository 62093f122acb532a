import { own } from '../../machinery/own.ts';
import { field } from '../../machinery/status.ts';
import { oneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { PriorityClass } from './v1.gen.ts';

const HIGHEST_OF_USERS = 1_000_000_000;
/** The two that the system itself makes. */
export const systemPriorityClasses: Record<string, number> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

function systemProblem(name: string, value: number, globalDefault = false): string | undefined {
  const expected = own(systemPriorityClasses, name);
  if (expected === undefined) return `${name} is not a known system priority class`;
  if (value !== expected) return `value of ${name} PriorityClass must be ${expected}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

export const priorityClasses = kind<PriorityClass>({
  facts: 'scheduling.k8s.io/v1 PriorityClass',
  // It is 1, and stays so.
  generation: () => false,
  defaults(priority) {
    priority.preemptionPolicy ??= 'PreemptLowerPriority';
    priority.value ??= 0;
  },
  validate({ metadata: { name = '' }, value, preemptionPolicy, globalDefault }) {
    const errors = oneOf(preemptionPolicy, ['Never', 'PreemptLowerPriority'], field('preemptionPolicy'));
    if (name.startsWith('system-')) {
      const wrong = systemProblem(name, value ?? 0, globalDefault);
      if (wrong)
        errors.push(
          field('metadata', 'name').forbidden(
            `priority class names with 'system-' prefix are reserved for system use only. error: ${wrong}`,
          ),
        );
    } else if ((value ?? 0) > HIGHEST_OF_USERS)
      errors.push(
        field('value').forbidden(`maximum allowed value of a user defined priority is ${HIGHEST_OF_USERS}`),
      );
    return errors;
  },
  validateUpdate: (now, old) => [
    ...(now.value === old.value ? [] : [field('value').forbidden('may not be changed in an update.')]),
    ...immutable(now.preemptionPolicy, old.preemptionPolicy, field('preemptionPolicy')),
  ],
  columns: {
    Value: ({ value }) => value,
    'Global-Default': ({ globalDefault }) => globalDefault ?? false,
    PreemptionPolicy: ({ preemptionPolicy }) => preemptionPolicy ?? '',
  },
});
