import { namespaces } from '../../api/core/namespace.ts';
import { pods } from '../../api/core/pod.ts';
import type { Pod, PodTemplateSpec } from '../../api/core/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { equal } from '../../machinery/meta.ts';
import { type FieldError, field, forbidden, invalid } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { Admission } from '../context.ts';
import type { PodSecurityMetrics } from '../metrics/policy-metrics.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';
import { type Level, podSecurityViolations } from './pod-security-checks.ts';

const prefix = 'pod-security.kubernetes.io/';
const levels: Level[] = ['privileged', 'baseline', 'restricted'];
const modes = ['enforce', 'warn', 'audit'] as const;

/** Where each kind that makes pods keeps what they are made from. */
const templates: Record<string, (object: AnyObject) => PodTemplateSpec | undefined> = {
  podtemplates: (o) => o.template,
  replicationcontrollers: (o) => o.spec.template,
  'replicasets.apps': (o) => o.spec.template,
  'deployments.apps': (o) => o.spec.template,
  'daemonsets.apps': (o) => o.spec.template,
  'statefulsets.apps': (o) => o.spec.template,
  'jobs.batch': (o) => o.spec.template,
  'cronjobs.batch': (o) => o.spec.jobTemplate?.spec?.template,
};

const resourceOf = ({ context: { served } }: Admission): string =>
  served.kind.group ? `${served.kind.plural}.${served.kind.group}` : served.kind.plural;

/**
 * Holds pods to the level that their namespace's labels state: `enforce` refuses, `warn` warns; what makes pods is only
 * warned of. `audit` is accepted, and has no effect here. Source: "Pod Security Admission".
 */
export const podSecurity = (caches: Caches, metrics: PodSecurityMetrics): AdmissionPlugin => ({
  name: 'PodSecurity',
  on: (admission) => {
    const { operation, subresource } = admission;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
    const resource = resourceOf(admission);
    if (resource === 'pods') return !subresource || subresource === 'ephemeralcontainers';
    return !subresource && (resource === 'namespaces' || Object.hasOwn(templates, resource));
  },
  validate(admission) {
    const { context, object } = admission;
    const resource = resourceOf(admission);
    if (resource === 'namespaces') return checkNamespace(caches, admission);
    const namespace = context.namespace ?? object!.metadata.namespace;
    const labels = caches.of(namespaces)?.get(`/registry/namespaces/${namespace}`)?.object.metadata.labels;
    const told = (context.annotations ??= {});
    const enforced = labels?.[`${prefix}enforce`];
    if (resource === 'pods') {
      const at = labels?.[`${prefix}enforce-version`] ?? 'latest';
      told[`${prefix}enforce-policy`] = `${levelOf(enforced)}:${at}`;
    }
    if (!labels || !modes.some((mode) => labels[prefix + mode])) {
      if (resource === 'pods') metrics.evaluated(admission, 'allow', 'enforce', 'privileged', 'latest');
      return;
    }
    const { pod, old } = podsOf(admission, resource);
    if (!pod?.spec || (old && sameForSecurity(pod, old))) return;
    const verdict = (mode: (typeof modes)[number]) => {
      const level = levelOf(labels[prefix + mode]);
      const found = podSecurityViolations(level, pod.metadata ?? {}, pod.spec!);
      const at = labels[`${prefix}${mode}-version`] ?? 'latest';
      // Of what is only told, only what is told counts.
      if (found.length || mode === 'enforce')
        metrics.evaluated(admission, found.length ? 'deny' : 'allow', mode, level, at);
      return found.length ? `violate PodSecurity "${level}:${at}": ${found.join(', ')}` : undefined;
    };
    const audited = labels[`${prefix}audit`] && verdict('audit');
    if (audited) told[`${prefix}audit-violations`] = `would ${audited}`;
    const refused = resource === 'pods' && verdict('enforce');
    if (refused) throw forbidden(pods, object!.metadata.name ?? '', refused.replace(/^violate/, 'violates'));
    const warned = verdict('warn');
    if (warned) context.warnings.push(`would ${warned}`);
  },
});

function podsOf(
  { object, old }: Admission,
  resource: string,
): { pod?: PodTemplateSpec; old?: PodTemplateSpec } {
  if (resource === 'pods') return { pod: object as Pod, old: old as Pod | undefined };
  const of = templates[resource]!;
  return { pod: of(object!), old: old && of(old) };
}

/** An update that changes nothing of security is not looked at again: what runs may go on. */
const sameForSecurity = (pod: PodTemplateSpec, old: PodTemplateSpec): boolean => equal(pod.spec, old.spec);

const levelOf = (text: string | undefined): Level =>
  text === undefined ? 'privileged' : levels.includes(text as Level) ? (text as Level) : 'restricted';

function checkNamespace(caches: Caches, { object, old, context }: Admission): void {
  const labels = object!.metadata.labels ?? {};
  const errors: FieldError[] = [];
  for (const mode of modes) {
    const at = (name: string) =>
      field('metadata')
        .child('labels')
        .key(prefix + name);
    const level = labels[prefix + mode];
    const version = labels[`${prefix}${mode}-version`];
    if (level !== undefined && !levels.includes(level as Level))
      errors.push(at(mode).invalid(level, `must be one of ${levels.join(', ')}`));
    if (version !== undefined && !/^(latest|v1\.\d+)$/.test(version))
      errors.push(at(`${mode}-version`).invalid(version, 'must be "latest" or "v1.x"'));
  }
  const before = old?.metadata.labels ?? {};
  const key = `${prefix}enforce`;
  if (errors.length && !modes.every((m) => before[prefix + m] === labels[prefix + m]))
    throw invalid(context.served.kind, object!.metadata.name ?? '', errors);
  if (!old || before[key] === labels[key] || labels[key] === undefined) return;
  const level = levelOf(labels[key]);
  const found = new Map<string, string[]>();
  for (const entry of caches.of(pods)?.range(`/registry/pods/${object!.metadata.name}/`) ?? []) {
    const pod = entry.object as Pod;
    const why = podSecurityViolations(level, pod.metadata, pod.spec).map((text) =>
      text.replace(/ \(.*$/s, ''),
    );
    if (why.length) found.set(why.join(', '), [...(found.get(why.join(', ')) ?? []), pod.metadata.name!]);
  }
  if (!found.size) return;
  context.warnings.push(
    `existing pods in namespace ${JSON.stringify(object!.metadata.name)} violate the new PodSecurity enforce level "${level}:${labels[`${key}-version`] ?? 'latest'}"`,
    ...[...found].map(
      ([why, [first, ...rest]]) =>
        `${first}${rest.length ? ` (and ${rest.length} other pod${rest.length > 1 ? 's' : ''})` : ''}: ${why}`,
    ),
  );
}
