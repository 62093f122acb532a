import { equal } from '../../machinery/meta.ts';
import { labelValueProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { formatMilli, milliValue } from '../../machinery/quantity.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { cidrErrors, problems, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { quantityErrors, resourceNameErrors } from './resource-validation.ts';
import type { Node, Taint } from './v1.gen.ts';

const SPEC = field('spec');
const ROLE = 'node-role.kubernetes.io/';

function taintsErrors(taints: Taint[] | undefined): FieldError[] {
  const seen = new Set<string>();
  return (taints ?? []).flatMap((taint, i) => {
    const at = SPEC.child('taints', i);
    const { key, value = '', effect } = taint;
    const id = `${key}\0${effect}`;
    const twice = seen.has(id) ? [at.duplicate(taint)] : [];
    seen.add(id);
    return [
      ...problems(qualifiedNameProblems(key), key, at.child('key')),
      ...problems(labelValueProblems(value), value, at.child('value')),
      ...requiredOneOf(effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute'], at.child('effect')),
      ...twice,
    ];
  });
}

/** Once a node has these, they stay. */
function fixedErrors({ spec }: Node, { spec: before }: Node): FieldError[] {
  const errors: FieldError[] = [];
  if (before.podCIDRs?.length && !equal(spec.podCIDRs, before.podCIDRs))
    errors.push(
      SPEC.child('podCIDRs').forbidden('node updates may not change podCIDR except from "" to valid'),
    );
  if (before.providerID && spec.providerID !== before.providerID)
    errors.push(
      SPEC.child('providerID').forbidden('node updates may not change providerID except from "" to valid'),
    );
  return errors;
}

function statusErrors({ status }: Node): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  status?.addresses?.forEach((address, i) => {
    const id = `${address.type}\0${address.address}`;
    if (seen.has(id)) errors.push(field('status', 'addresses', i).duplicate(address));
    seen.add(id);
  });
  return [...errors, ...resourcesErrors(status)];
}

function resourcesErrors(status: Node['status']): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['capacity', 'allocatable'] as const)
    for (const name in status?.[list]) {
      const at = field('status', list).key(name);
      errors.push(...resourceNameErrors(name, at), ...quantityErrors(name, status[list]![name]!, at));
    }
  return errors;
}

/** A resource list without anything finer than a thousandth. */
function round(list: Record<string, string> | undefined): void {
  for (const name in list) if (/[nu]$/.test(list[name]!)) list[name] = formatMilli(milliValue(list[name]));
}

export function nodeRoles({ metadata }: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith(ROLE)) roles.add(key.slice(ROLE.length));
    else if (key === 'kubernetes.io/role' && value) roles.add(value);
  }
  return [...roles].filter(Boolean).sort();
}

function nodeState({ spec, status }: Node): string {
  const ready = status?.conditions?.find((c) => c.type === 'Ready');
  const words = [!ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

const address = ({ status }: Node, type: string): string =>
  status?.addresses?.find((a) => a.type === type)?.address ?? '<none>';

export const nodes = kind<Node>({
  facts: 'v1 Node',
  generation: false,
  // A kubelet registers its node together with what it has.
  statusOnCreate: true,
  defaults(node) {
    node.spec ??= {};
    const { status } = node;
    if (!status) return;
    round(status.capacity);
    round(status.allocatable);
    if (status.capacity) status.allocatable ??= { ...status.capacity };
  },
  prepareCreate(node) {
    // `podCIDR` is the first of `podCIDRs`.
    const { spec } = node;
    if (spec.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
    else if (spec.podCIDRs?.length && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
  },
  prepareUpdate(node) {
    const { spec } = node;
    if (spec.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
    else if (spec.podCIDRs?.length && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
  },
  validate: ({ spec, status }) => [
    ...taintsErrors(spec.taints),
    ...resourcesErrors(status),
    ...(spec.podCIDRs ?? []).flatMap((cidr, i) => cidrErrors(cidr, SPEC.child('podCIDRs', i))),
    ...((spec.podCIDRs?.length ?? 0) > 2
      ? [
          SPEC.child('podCIDRs').invalid(
            spec.podCIDRs,
            'may specify no more than one CIDR for each IP family',
          ),
        ]
      : []),
  ],
  validateUpdate: fixedErrors,
  validateStatus: statusErrors,
  fieldSelectors: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  columns: {
    Status: nodeState,
    Roles: (node) => nodeRoles(node).join(',') || '<none>',
    Version: ({ status }) => status?.nodeInfo?.kubeletVersion ?? '',
    'Internal-IP': (node) => address(node, 'InternalIP'),
    'External-IP': (node) => address(node, 'ExternalIP'),
    'OS-Image': ({ status }) => status?.nodeInfo?.osImage || '<unknown>',
    'Kernel-Version': ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>',
    'Container-Runtime': ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
  },
});
