// The metrics that a HorizontalPodAutoscaler looks at: what is wrong with them, and how they are shown.

import { own } from '../../machinery/own.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { present } from '../checks.ts';
import type { CrossVersionObjectReference, MetricSpec, MetricStatus, MetricTarget } from './v2.gen.ts';

const sourceOf: Record<string, keyof MetricSpec> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};
const EITHER = 'must set either a target raw value or a target utilization';

export const referenceErrors = (
  ref: CrossVersionObjectReference | undefined,
  path: FieldPath,
): FieldError[] => [...present(ref?.kind, path.child('kind')), ...present(ref?.name, path.child('name'))];

function targetErrors(target: MetricTarget | undefined, type: string, path: FieldPath): FieldError[] {
  if (!target?.type) return [path.child('type').required('must specify a metric target type')];
  const errors: FieldError[] = [];
  const { value, averageValue, averageUtilization } = target;
  if (!['Utilization', 'Value', 'AverageValue'].includes(target.type))
    errors.push(
      path.child('type').invalid(target.type, 'must be either Utilization, Value, or AverageValue'),
    );
  for (const [name, amount] of Object.entries({ value, averageValue }))
    if (amount !== undefined && compareQuantity(amount, '0') <= 0)
      errors.push(path.child(name).invalid(amount, 'must be positive'));
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(path.child('averageUtilization').invalid(averageUtilization, 'must be greater than 0'));
  if (type === 'Resource' || type === 'ContainerResource') {
    if (averageUtilization === undefined && averageValue === undefined)
      errors.push(path.child('averageUtilization').required(EITHER));
    else if (averageUtilization !== undefined && averageValue !== undefined)
      errors.push(
        path.child('averageValue').forbidden('may not set both a target raw value and a target utilization'),
      );
  } else if (type === 'Pods') {
    if (averageValue === undefined)
      errors.push(path.child('averageValue').required('must specify a positive target averageValue'));
  } else if (value === undefined && averageValue === undefined)
    errors.push(path.child('averageValue').required('must set either a target value or averageValue'));
  else if (type === 'External' && value !== undefined && averageValue !== undefined)
    errors.push(
      path.child('value').forbidden('may not set both a target value for metric and a per-pod target'),
    );
  return errors;
}

function metricErrors(spec: MetricSpec, path: FieldPath): FieldError[] {
  const { type } = spec;
  if (!type) return [path.child('type').required('must specify a metric source type')];
  const expected = own(sourceOf, type);
  if (!expected) return [path.child('type').notSupported(type, Object.keys(sourceOf))];
  const errors: FieldError[] = [];
  for (const name of Object.values(sourceOf))
    if (spec[name] && name !== expected)
      errors.push(path.child(name).forbidden('must populate the given metric source only'));
  const source: any = spec[expected];
  const at = path.child(expected);
  if (!source) return [...errors, at.required('must populate information for the given metric source')];
  if (type === 'Resource' || type === 'ContainerResource') {
    errors.push(...present(source.name, at.child('name'), 'must specify a resource name'));
    if (type === 'ContainerResource')
      errors.push(...present(source.container, at.child('container'), 'must specify a container'));
  } else {
    errors.push(...present(source.metric?.name, at.child('metric', 'name'), 'must specify a metric name'));
    errors.push(...labelSelectorErrors(source.metric?.selector, at.child('metric', 'selector')));
    if (type === 'Object')
      errors.push(...referenceErrors(source.describedObject, at.child('describedObject')));
  }
  return [...errors, ...targetErrors(source.target, type, at.child('target'))];
}

export function metricsErrors(
  metrics: MetricSpec[] | undefined,
  minReplicas: number | undefined,
): FieldError[] {
  const at = field('spec', 'metrics');
  const errors = (metrics ?? []).flatMap((metric, i) => metricErrors(metric, at.child(i)));
  if (minReplicas === 0 && !metrics?.some(({ type }) => type === 'Object' || type === 'External'))
    errors.push(
      at.forbidden('must specify at least one Object or External metric to support scaling to zero replicas'),
    );
  return errors;
}

const UNKNOWN = '<unknown>';

function shown(spec: MetricSpec, status: MetricStatus | undefined): string {
  const name = own(sourceOf, spec.type);
  if (!name) return '<unknown type>';
  const { target = {}, name: resource } = (spec[name] ?? {}) as any;
  const current = (status as any)?.[name]?.current;
  if (spec.type === 'Resource' || spec.type === 'ContainerResource') {
    if (target.averageValue !== undefined)
      return `${resource}: ${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
    const now = current?.averageUtilization;
    const wanted = target.averageUtilization;
    return `${resource}: ${now === undefined ? UNKNOWN : `${now}%`}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
  }
  if (spec.type === 'Pods') return `${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
  return target.averageValue !== undefined
    ? `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`
    : `${current?.value ?? UNKNOWN}/${target.value}`;
}

/** `cpu: 40%/80%, 12/10 (avg) + 1 more...` */
export function metricsText(specs: MetricSpec[] = [], statuses: MetricStatus[] | null = []): string {
  if (!specs.length) return '<none>';
  const list = specs.map((spec, i) => shown(spec, statuses?.[i]));
  return list.length > 2 ? `${list.slice(0, 2).join(', ')} + ${list.length - 2} more...` : list.join(', ');
}
