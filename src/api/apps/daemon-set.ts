import { equal } from '../../machinery/meta.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import type { FieldError } from '../../machinery/status.ts';
import { countOrPercent, notMoreThanHundred, notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { containersColumns, mapSelectorText, selectorText } from '../workload-columns.ts';
import type { DaemonSet, DaemonSetSpec } from './v1.gen.ts';
import {
  amount,
  collisionErrors,
  countErrors,
  defaultTemplate,
  isEmptySelector,
  SPEC,
  templateErrors,
  templateLabelErrors,
} from './workload.ts';

function selectorErrors({ selector, template }: DaemonSetSpec): FieldError[] {
  const at = SPEC.child('selector');
  return [
    ...labelSelectorErrors(selector, at),
    ...templateLabelErrors(selector, template),
    ...(selector && isEmptySelector(selector)
      ? [at.invalid(selector, 'empty selector is invalid for daemonset')]
      : []),
  ];
}

function strategyErrors({ updateStrategy = {} }: DaemonSetSpec): FieldError[] {
  const at = SPEC.child('updateStrategy');
  const { type, rollingUpdate } = updateStrategy;
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') return [at.notSupported(updateStrategy, ['RollingUpdate', 'OnDelete'])];
  const rolling = at.child('rollingUpdate');
  if (!rollingUpdate) return [rolling.required()];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const errors = [
    ...countOrPercent(maxUnavailable, rolling.child('maxUnavailable')),
    ...countOrPercent(maxSurge, rolling.child('maxSurge')),
    ...notMoreThanHundred(maxUnavailable, rolling.child('maxUnavailable')),
    ...notMoreThanHundred(maxSurge, rolling.child('maxSurge')),
  ];
  if (amount(maxUnavailable) !== 0 && amount(maxSurge) !== 0)
    errors.push(
      rolling.child('maxSurge').invalid(maxSurge, 'may not be set when maxUnavailable is non-zero'),
    );
  else if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0)
    errors.push(rolling.child('maxUnavailable').required('cannot be 0 when maxSurge is 0'));
  return errors;
}

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
];

/** How often the template has changed, from 1; daemons bear it as the label `pod-template-generation`. */
const templateGeneration = 'deprecated.daemonset.template.generation';

const generationOf = ({ metadata }: DaemonSet): number =>
  Number(metadata.annotations?.[templateGeneration]) || 0;

function setGeneration({ metadata }: DaemonSet, generation: number): void {
  metadata.annotations = { ...metadata.annotations, [templateGeneration]: String(generation) };
}

export const daemonSets = kind<DaemonSet>({
  facts: 'apps/v1 DaemonSet',
  defaults(daemonSet) {
    daemonSet.spec ??= {} as DaemonSetSpec;
    const { spec } = daemonSet;
    spec.template = defaultTemplate(spec.template);
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
  },
  prepareCreate(daemonSet) {
    setGeneration(daemonSet, Math.max(1, generationOf(daemonSet)));
    daemonSet.status = {
      currentNumberScheduled: 0,
      desiredNumberScheduled: 0,
      numberMisscheduled: 0,
      numberReady: 0,
    };
  },
  prepareUpdate(daemonSet, old) {
    const changed = !equal(daemonSet.spec.template, old.spec.template);
    setGeneration(daemonSet, generationOf(old) + (changed ? 1 : 0));
  },
  validate: ({ spec }) => [
    ...selectorErrors(spec),
    ...templateErrors(spec.template, 'DaemonSet'),
    ...notNegative(spec.minReadySeconds, SPEC.child('minReadySeconds')),
    ...strategyErrors(spec),
    ...notNegative(spec.revisionHistoryLimit, SPEC.child('revisionHistoryLimit')),
  ],
  validateStatus: ({ status }, old) => [
    ...countErrors(status, counts),
    ...collisionErrors(status, old.status),
  ],
  immutable: ['spec.selector'],
  generation: 'spec',
  columns: {
    Desired: ({ status }) => status?.desiredNumberScheduled ?? 0,
    Current: ({ status }) => status?.currentNumberScheduled ?? 0,
    Ready: ({ status }) => status?.numberReady ?? 0,
    'Up-to-date': ({ status }) => status?.updatedNumberScheduled ?? 0,
    Available: ({ status }) => status?.numberAvailable ?? 0,
    'Node Selector': ({ spec }) => mapSelectorText(spec.template.spec?.nodeSelector) || '<none>',
    ...containersColumns<DaemonSet>(({ spec }) => spec.template.spec),
    Selector: ({ spec }) => selectorText(spec.selector),
  },
});
