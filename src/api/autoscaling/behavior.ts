// How fast a HorizontalPodAutoscaler may scale.
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import type { HorizontalPodAutoscalerSpec, HPAScalingRules } from './v2.gen.ts';

const upRules: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const downRules: HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

const withDefaults = (rules: HPAScalingRules | undefined, fallback: HPAScalingRules): HPAScalingRules => ({
  ...structuredClone(fallback),
  ...rules,
});

export function defaultBehavior({ behavior }: HorizontalPodAutoscalerSpec): void {
  if (!behavior) return;
  behavior.scaleUp = withDefaults(behavior.scaleUp, upRules);
  behavior.scaleDown = withDefaults(behavior.scaleDown, downRules);
}

function rulesErrors(rules: HPAScalingRules | undefined, path: FieldPath): FieldError[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [] } = rules;
  const errors: FieldError[] = [];
  const at = path.child('stabilizationWindowSeconds');
  if (window !== undefined && window < 0)
    errors.push(at.invalid(window, 'must be greater than or equal to zero'));
  if (window !== undefined && window > 3600)
    errors.push(at.invalid(window, 'must be less than or equal to 3600'));
  if (selectPolicy && !['Disabled', 'Max', 'Min'].includes(selectPolicy))
    errors.push(path.child('selectPolicy').notSupported(selectPolicy, ['Disabled', 'Max', 'Min']));
  if (!policies.length) errors.push(path.child('policies').required('must specify at least one Policy'));
  policies.forEach(({ type, value, periodSeconds }, i) => {
    const where = path.child('policies', i);
    if (type !== 'Pods' && type !== 'Percent')
      errors.push(where.child('type').notSupported(type, ['Percent', 'Pods']));
    if (!(value > 0)) errors.push(where.child('value').invalid(value, 'must be greater than zero'));
    if (!(periodSeconds > 0))
      errors.push(where.child('periodSeconds').invalid(periodSeconds, 'must be greater than zero'));
    if (periodSeconds > 1800)
      errors.push(where.child('periodSeconds').invalid(periodSeconds, 'must be less than or equal to 1800'));
  });
  return errors;
}

export const behaviorErrors = ({ behavior }: HorizontalPodAutoscalerSpec): FieldError[] => [
  ...rulesErrors(behavior?.scaleUp, field('spec', 'behavior', 'scaleUp')),
  ...rulesErrors(behavior?.scaleDown, field('spec', 'behavior', 'scaleDown')),
];
