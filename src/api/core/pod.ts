import { time } from '../../machinery/clock.ts';
import type { LabelSelector } from '../../machinery/meta.gen.ts';
import { equal } from '../../machinery/meta.ts';
import { type FieldError, field, invalid } from '../../machinery/status.ts';
import { isIP } from '../checks.ts';
import { kind } from '../define.ts';
import { podColumns } from './pod-columns.ts';
import { defaultPodOnly, defaultPodSpec, qosClass } from './pod-spec-defaults.ts';
import { podSpecErrors } from './pod-spec-validation.ts';
import { podUpdateErrors } from './pod-update.ts';
import type { Pod, PodCondition, PodSpec } from './v1.gen.ts';

export const conditionOf = (pod: Pod, type: string): PodCondition | undefined =>
  pod.status?.conditions?.find((condition) => condition.type === type);
export const isReady = (pod: Pod): boolean => conditionOf(pod, 'Ready')?.status === 'True';
/** Succeeded or Failed: it will not run again. */
export const isFinished = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
/** Neither finished nor on its way out. */
export const isActive = (pod: Pod): boolean => !isFinished(pod) && !pod.metadata.deletionTimestamp;
/** Ready for at least this long. */
export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const ready = conditionOf(pod, 'Ready');
  if (ready?.status !== 'True') return false;
  return !minReadySeconds || nowMs - Date.parse(ready.lastTransitionTime ?? '') >= minReadySeconds * 1000;
}

const SPEC = field('spec');

/** Labels that a pod's terms name by key only are filled in with this pod's own values. */
function resolveLabelKeys(spec: PodSpec, labels: Record<string, string> = {}): void {
  const add = (selector: LabelSelector | undefined, keys: string[] | undefined, operator: string) => {
    for (const key of keys ?? [])
      if (selector && labels[key] !== undefined)
        (selector.matchExpressions ??= []).push({ key, operator, values: [labels[key]] });
  };
  for (const part of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    const terms = [
      ...(part?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(part?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => t.podAffinityTerm),
    ];
    for (const term of terms) {
      add(term.labelSelector, term.matchLabelKeys, 'In');
      add(term.labelSelector, term.mismatchLabelKeys, 'NotIn');
    }
  }
  for (const constraint of spec.topologySpreadConstraints ?? [])
    add(constraint.labelSelector, constraint.matchLabelKeys, 'In');
}

/** What is allowed later is not at the start. */
function createErrors(pod: Pod): FieldError[] {
  const errors: FieldError[] = [];
  if (pod.spec.ephemeralContainers?.length)
    errors.push(SPEC.child('ephemeralContainers').forbidden('cannot be set on create'));
  if (pod.spec.nodeName && pod.spec.schedulingGates?.length)
    errors.push(
      SPEC.child('nodeName').forbidden('cannot be set until all schedulingGates have been cleared'),
    );
  return errors;
}

function statusErrors(pod: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const status = pod.status ?? {};
  if (pod.spec.nodeName !== old.spec.nodeName)
    errors.push(field('status', 'nodeName').forbidden('may not be changed directly'));
  if (old.status?.qosClass && status.qosClass !== old.status.qosClass)
    errors.push(field('status', 'qosClass').invalid(status.qosClass ?? '', 'field is immutable'));
  for (const [i, { ip }] of (status.podIPs ?? []).entries())
    if (ip && !isIP(ip)) errors.push(field('status', 'podIPs', i).invalid(ip, 'must be a valid IP address'));
  return errors;
}

export const pods = kind<Pod>({
  facts: 'v1 Pod',
  defaults(pod) {
    pod.spec ??= { containers: [] };
    defaultPodSpec(pod.spec);
    defaultPodOnly(pod.spec);
  },
  prepareCreate(pod, { nowMs }) {
    const wrong = createErrors(pod);
    if (wrong.length) throw invalid({ group: '', kind: 'Pod' }, pod.metadata.name ?? '', wrong);
    pod.status = { phase: 'Pending', qosClass: qosClass(pod.spec) };
    if (pod.spec.schedulingGates?.length)
      pod.status.conditions = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          lastTransitionTime: time(nowMs),
          observedGeneration: 1,
        },
      ];
    resolveLabelKeys(pod.spec, pod.metadata.labels);
  },
  prepareStatus(pod, old) {
    pod.metadata.ownerReferences = old.metadata.ownerReferences;
    if (!pod.metadata.ownerReferences) delete pod.metadata.ownerReferences;
    pod.status ??= {};
    pod.status.qosClass ||= old.status?.qosClass ?? qosClass(pod.spec);
    const { podIP, podIPs, hostIP, hostIPs } = pod.status;
    // Each address stands in two fields, the older of which holds one only.
    if (podIP && !podIPs?.length) pod.status.podIPs = [{ ip: podIP }];
    else if (podIPs?.[0]?.ip && !podIP) pod.status.podIP = podIPs[0].ip;
    if (hostIP && !hostIPs?.length) pod.status.hostIPs = [{ ip: hostIP }];
  },
  validate: (pod) => podSpecErrors(pod.spec, SPEC, pod.metadata.name),
  validateUpdate: (pod, old, { subresource }) => podUpdateErrors(pod, old, subresource),
  validateStatus: statusErrors,
  generation: (pod, old) => !equal(pod.spec, old.spec),
  fieldSelectors: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIP ?? '',
    'status.podIPs': ({ status }) => status?.podIPs?.map(({ ip }) => ip).join(',') ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  /** A pod that runs nowhere, or no longer, goes at once. */
  gracePeriod(pod, requested) {
    if (!pod.spec.nodeName || isFinished(pod)) return 0;
    const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
  columns: podColumns,
});
