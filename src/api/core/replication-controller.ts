import { mapSelectorMatches } from '../../machinery/selectors.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { containersColumns, mapSelectorText } from '../workload-columns.ts';
import { defaultPodSpec } from './pod-spec-defaults.ts';
import { longRunningTemplateErrors, podTemplateErrors } from './pod-spec-validation.ts';
import type { ReplicationController } from './v1.gen.ts';

const SPEC = field('spec');

function specErrors({ spec }: ReplicationController): FieldError[] {
  const errors = [
    ...notNegative(spec.minReadySeconds, SPEC.child('minReadySeconds')),
    ...notNegative(spec.replicas, SPEC.child('replicas')),
  ];
  if (!Object.keys(spec.selector ?? {}).length) errors.push(SPEC.child('selector').required());
  const at = SPEC.child('template');
  if (!spec.template) return [...errors, at.required()];
  const labels = spec.template.metadata?.labels ?? {};
  if (spec.selector && !mapSelectorMatches(spec.selector, labels))
    errors.push(
      at.child('metadata', 'labels').invalid(labels, '`selector` does not match template `labels`'),
    );
  return [
    ...errors,
    ...podTemplateErrors(spec.template, at),
    ...longRunningTemplateErrors(spec.template, at),
  ];
}

export const replicationControllers = kind<ReplicationController>({
  facts: 'v1 ReplicationController',
  defaults(rc) {
    rc.spec ??= {};
    rc.spec.replicas ??= 1;
    if (rc.spec.template?.spec) defaultPodSpec(rc.spec.template.spec);
    const labels = rc.spec.template?.metadata?.labels;
    if (!labels) return;
    if (!Object.keys(rc.spec.selector ?? {}).length) rc.spec.selector = { ...labels };
    if (!Object.keys(rc.metadata.labels ?? {}).length) rc.metadata.labels = { ...labels };
  },
  prepareCreate(rc) {
    rc.status = { replicas: 0 };
  },
  generation: 'spec',
  validate: specErrors,
  fieldSelectors: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: (rc) => mapSelectorText((rc as ReplicationController).spec.selector),
  },
  columns: {
    Desired: ({ spec }) => spec.replicas ?? 0,
    Current: ({ status }) => status?.replicas ?? 0,
    Ready: ({ status }) => status?.readyReplicas ?? 0,
    ...containersColumns<ReplicationController>((rc) => rc.spec.template?.spec),
    Selector: ({ spec }) => mapSelectorText(spec.selector) || '<none>',
  },
});
