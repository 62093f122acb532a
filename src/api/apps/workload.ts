// What Deployments, ReplicaSets, StatefulSets and DaemonSets share: a selector, a pod template, counts in the status.
import type { LabelSelector } from '../../machinery/meta.gen.ts';
import { labelSelectorErrors, labelSelectorMatches } from '../../machinery/selectors.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { defaultPodSpec } from '../core/pod-spec-defaults.ts';
import { podTemplateErrors } from '../core/pod-spec-validation.ts';
import type { PodTemplateSpec } from '../core/v1.gen.ts';

export const SPEC = field('spec');
export const STATUS = field('status');

/** The template with its defaults; an empty one where there is none, so that what is missing is named by its field. */
export function defaultTemplate(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const whole: PodTemplateSpec = template ?? ({} as PodTemplateSpec);
  whole.metadata ??= {};
  whole.spec ??= { containers: [] };
  defaultPodSpec(whole.spec);
  return whole;
}

export const isEmptySelector = ({ matchLabels, matchExpressions }: LabelSelector): boolean =>
  !matchExpressions?.length && !Object.keys(matchLabels ?? {}).length;

/** A selector is there, selects something, and selects what the template makes. `noun` is the kind, in lower case. */
export function selectorErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  noun: string,
): FieldError[] {
  const at = SPEC.child('selector');
  if (!selector) return [at.required()];
  const errors = labelSelectorErrors(selector, at);
  if (isEmptySelector(selector)) errors.push(at.invalid(selector, `empty selector is invalid for ${noun}`));
  else if (!errors.length) errors.push(...templateLabelErrors(selector, template));
  return errors;
}

export function templateLabelErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): FieldError[] {
  const labels = template?.metadata?.labels;
  return labelSelectorMatches(selector, labels)
    ? []
    : [
        SPEC.child('template', 'metadata', 'labels').invalid(
          labels,
          '`selector` does not match template `labels`',
        ),
      ];
}

/** A template of pods that run for ever. `owner` is the kind as messages name it. */
export function templateErrors(
  template: PodTemplateSpec | undefined,
  owner: string,
  path = SPEC.child('template'),
): FieldError[] {
  const errors = podTemplateErrors(template, path);
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {};
  if (restartPolicy !== 'Always')
    errors.push(path.child('spec', 'restartPolicy').notSupported(restartPolicy ?? '', ['Always']));
  if (activeDeadlineSeconds !== undefined)
    errors.push(
      path
        .child('spec', 'activeDeadlineSeconds')
        .forbidden(`activeDeadlineSeconds in ${owner} is not Supported`),
    );
  return errors;
}

type Numbers = Record<string, any>;

/** Counts of a status are not negative, and none of `parts` is more than the replicas. */
export function replicaCountErrors(status: Numbers | undefined, parts: readonly string[]): FieldError[] {
  const counts = status ?? {};
  const errors = countErrors(counts, ['observedGeneration', 'replicas', 'terminatingReplicas', ...parts]);
  for (const name of parts)
    if ((counts[name] ?? 0) > (counts.replicas ?? 0))
      errors.push(STATUS.child(name).invalid(counts[name], 'cannot be greater than status.replicas'));
  if ((counts.availableReplicas ?? 0) > (counts.readyReplicas ?? 0))
    errors.push(
      STATUS.child('availableReplicas').invalid(
        counts.availableReplicas,
        'cannot be greater than readyReplicas',
      ),
    );
  return errors;
}

export const countErrors = (status: Numbers | undefined, names: readonly string[]): FieldError[] =>
  [...names, 'collisionCount'].flatMap((name) => notNegative(status?.[name], STATUS.child(name)));

/** Collisions of names are counted up only. */
export function collisionErrors(status: Numbers | undefined, old: Numbers | undefined): FieldError[] {
  const now = status?.collisionCount ?? 0;
  return now < (old?.collisionCount ?? 0)
    ? [STATUS.child('collisionCount').invalid(now, 'cannot be decremented')]
    : [];
}

/** A count or a percentage as a number, to see whether it is zero. */
export const amount = (value: number | string | undefined): number =>
  typeof value === 'string' ? Number.parseInt(value, 10) || 0 : (value ?? 0);
