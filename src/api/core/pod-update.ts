// What may change in a pod once it is there, by the way in which it is changed.
import { clone, equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import type { Container, NodeSelectorTerm, Pod, PodSpec, Toleration } from './v1.gen.ts';

const SPEC = field('spec');
const UPDATABLE =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** Changes through the pod itself, or through one of its subresources. */
export function podUpdateErrors(pod: Pod, old: Pod, subresource = ''): FieldError[] {
  if (subresource === 'binding') return otherChanges({ ...pod.spec, nodeName: old.spec.nodeName }, old.spec);
  if (subresource === 'ephemeralcontainers') return ephemeralChanges(pod, old);
  if (subresource === 'resize') return resizeChanges(pod, old);
  return specChanges(pod, old);
}

function specChanges({ spec }: Pod, { spec: before }: Pod): FieldError[] {
  if (equal(spec, before)) return [];
  const errors = [
    ...containerListErrors(spec, before),
    ...deadlineErrors(spec.activeDeadlineSeconds, before.activeDeadlineSeconds),
    ...tolerationErrors(spec.tolerations ?? [], before.tolerations ?? []),
    ...gateErrors(spec, before),
  ];
  if (errors.length) return errors;
  // Put back what may change; what still differs may not.
  const rest = clone(spec);
  rest.containers.forEach((container, i) => {
    container.image = before.containers[i]!.image;
  });
  rest.initContainers?.forEach((container, i) => {
    container.image = before.initContainers![i]!.image;
  });
  rest.activeDeadlineSeconds = before.activeDeadlineSeconds;
  rest.tolerations = before.tolerations;
  rest.schedulingGates = before.schedulingGates;
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && rest.terminationGracePeriodSeconds === 1)
    rest.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds;
  if (before.schedulingGates?.length) errors.push(...narrowingErrors(rest, before));
  return [...errors, ...otherChanges(rest, before)];
}

function otherChanges(rest: PodSpec, before: PodSpec): FieldError[] {
  if (equal(rest, before)) return [];
  const changed = [...new Set([...Object.keys(rest), ...Object.keys(before)])].filter(
    (name) => !equal((rest as any)[name], (before as any)[name]),
  );
  return [
    SPEC.forbidden(
      `pod updates may not change fields other than ${UPDATABLE}\nchanged: ${changed.join(', ')}`,
    ),
  ];
}

function containerListErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    const now: Container[] = spec[list] ?? [];
    if (now.length !== (before[list]?.length ?? 0))
      errors.push(SPEC.child(list).forbidden('pod updates may not add or remove containers'));
  }
  return errors;
}

function deadlineErrors(now: number | undefined, before: number | undefined): FieldError[] {
  const at = SPEC.child('activeDeadlineSeconds');
  if (now === undefined)
    return before === undefined
      ? []
      : [at.invalid(null, 'must not update from a positive integer to nil value')];
  if (now < 0 || now > 2147483647) return [at.invalid(now, 'must be between 0 and 2147483647, inclusive')];
  return before !== undefined && before < now
    ? [at.invalid(now, 'must be less than or equal to previous value')]
    : [];
}

const withoutSeconds = ({ tolerationSeconds: _, ...rest }: Toleration): Toleration => rest;

/** Tolerations may be added, and may last another time; else they stay. */
function tolerationErrors(now: Toleration[], before: Toleration[]): FieldError[] {
  const kept = before.every((old) => now.some((t) => equal(withoutSeconds(t), withoutSeconds(old))));
  return kept
    ? []
    : [
        SPEC.child('tolerations').forbidden(
          'existing toleration can not be modified except its tolerationSeconds',
        ),
      ];
}

function gateErrors(
  { schedulingGates = [] }: PodSpec,
  { schedulingGates: before = [] }: PodSpec,
): FieldError[] {
  return schedulingGates.flatMap(({ name }, i) =>
    before.some((gate) => gate.name === name)
      ? []
      : [
          SPEC.child('schedulingGates', i, 'name').forbidden(
            `only deletion is allowed, but found new scheduling gate '${name}'`,
          ),
        ],
  );
}

/** While gates hold a pod back, where it may go can be narrowed (KEP-3838). Puts the narrowing back in `rest`. */
function narrowingErrors(rest: PodSpec, before: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  const selector = before.nodeSelector ?? {};
  if (Object.keys(selector).some((key) => rest.nodeSelector?.[key] !== selector[key]))
    errors.push(
      SPEC.child('nodeSelector').invalid(
        rest.nodeSelector ?? {},
        'only additions are allowed (no mutations or deletions)',
      ),
    );
  rest.nodeSelector = before.nodeSelector;
  const now = rest.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const old =
    before.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const at = SPEC.child(
    'affinity',
    'nodeAffinity',
    'requiredDuringSchedulingIgnoredDuringExecution',
    'nodeSelectorTerms',
  );
  if (old) {
    if (now?.length !== old.length)
      errors.push(
        at.invalid(now ?? [], 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'),
      );
    else if (!now.every((term, i) => onlyAdds(term, old[i]!)))
      errors.push(at.invalid(now, 'only additions are allowed (no mutations or deletions)'));
  }
  const { nodeAffinity: _, ...others } = rest.affinity ?? {};
  const kept = before.affinity?.nodeAffinity;
  rest.affinity =
    before.affinity || Object.keys(others).length
      ? { ...others, ...(kept ? { nodeAffinity: kept } : {}) }
      : undefined;
  return errors;
}

const onlyAdds = (term: NodeSelectorTerm, old: NodeSelectorTerm): boolean =>
  (['matchExpressions', 'matchFields'] as const).every((list) =>
    (old[list] ?? []).every((r, i) => equal(r, term[list]?.[i])),
  );

function ephemeralChanges({ spec }: Pod, { spec: before }: Pod): FieldError[] {
  const at = SPEC.child('ephemeralContainers');
  const errors: FieldError[] = [];
  for (const old of before.ephemeralContainers ?? []) {
    const now = spec.ephemeralContainers?.find((c) => c.name === old.name);
    if (!now)
      errors.push(
        at.forbidden(`existing ephemeral containers ${JSON.stringify(old.name)} may not be removed\n`),
      );
    else if (!equal(now, old))
      errors.push(
        at.forbidden(`existing ephemeral containers ${JSON.stringify(old.name)} may not be changed\n`),
      );
  }
  return [...errors, ...otherChanges({ ...spec, ephemeralContainers: before.ephemeralContainers }, before)];
}

function resizeChanges(pod: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const now = pod.status?.qosClass ?? old.status?.qosClass;
  if (now !== old.status?.qosClass)
    errors.push(SPEC.forbidden('Pod QOS Class may not change as a result of resizing'));
  for (const list of ['containers', 'initContainers'] as const) {
    (pod.spec[list] ?? []).forEach((container, i) => {
      const before = old.spec[list]?.[i];
      const at = SPEC.child(list, i, 'resources');
      for (const kind of ['limits', 'requests'] as const)
        for (const name of new Set([
          ...Object.keys(container.resources?.[kind] ?? {}),
          ...Object.keys(before?.resources?.[kind] ?? {}),
        ])) {
          const value = container.resources?.[kind]?.[name];
          const previous = before?.resources?.[kind]?.[name];
          if (value === previous) continue;
          if (name !== 'cpu' && name !== 'memory')
            errors.push(at.child(kind).forbidden('only cpu and memory resources are mutable'));
          else if (value === undefined)
            errors.push(at.child(kind).forbidden(`resource ${kind} cannot be removed`));
        }
    });
  }
  const rest = clone(pod.spec);
  for (const list of ['containers', 'initContainers'] as const)
    rest[list]?.forEach((container: Container, i: number) => {
      container.resources = old.spec[list]?.[i]?.resources;
      container.resizePolicy = old.spec[list]?.[i]?.resizePolicy;
    });
  rest.resources = old.spec.resources;
  return [...errors, ...otherChanges(rest, old.spec)];
}
