import type { Column, Kind, KindRules } from '../machinery/kind.ts';
import { apiVersionOf } from '../machinery/kind.ts';
import type { AnyObject, KubeObject } from '../machinery/meta.ts';
import { printerColumnFacts, resourceFacts, typeFacts } from './facts.gen.ts';
import type { PrinterColumnFact, ResourceFact } from './facts.ts';

const byName = new Map(resourceFacts.map((r) => [`${apiVersionOf(r)} ${r.kind}`, r]));

/** The upstream table of columns is keyed by the kind in camel case, with a few names of its own. */
const columnKeys: Record<string, string> = {
  Endpoints: 'endpoint',
  RoleBinding: 'roleBindings',
  ClusterRoleBinding: 'clusterRoleBindings',
  MutatingWebhookConfiguration: 'mutatingWebhook',
  ValidatingWebhookConfiguration: 'validatingWebhook',
  PriorityLevelConfiguration: 'priorityLevel',
  ResourceSlice: 'nodeResourceSlice',
  CSINode: 'csiNode',
  CSIDriver: 'csiDriver',
  CSIStorageCapacity: 'csiStorageCapacity',
  ServiceCIDR: 'serviceCIDR',
  IPAddress: 'ipAddress',
};

/** Columns that the table of facts lacks. */
const moreColumns: Record<string, PrinterColumnFact[]> = {
  CSIDriver: [
    ['Name', 'string'],
    ['AttachRequired', 'boolean'],
    ['PodInfoOnMount', 'boolean'],
    ['StorageCapacity', 'boolean'],
    ['TokenRequests', 'string'],
    ['RequiresRepublish', 'boolean'],
    ['Modes', 'string'],
    ['Age', 'string'],
  ],
  NetworkPolicy: [
    ['Name', 'string'],
    ['Pod-Selector', 'string'],
    ['Age', 'string'],
  ],
  APIService: [
    ['Name', 'string'],
    ['Service', 'string'],
    ['Available', 'string'],
    ['Age', 'string'],
  ],
  ValidatingAdmissionPolicy: [
    ['Name', 'string'],
    ['Validations', 'integer'],
    ['ParamKind', 'string'],
    ['Age', 'string'],
  ],
  ValidatingAdmissionPolicyBinding: [
    ['Name', 'string'],
    ['PolicyName', 'string'],
    ['ParamRef', 'string'],
    ['Age', 'string'],
  ],
  MutatingAdmissionPolicy: [
    ['Name', 'string'],
    ['Mutations', 'integer'],
    ['ParamKind', 'string'],
    ['Age', 'string'],
  ],
  MutatingAdmissionPolicyBinding: [
    ['Name', 'string'],
    ['PolicyName', 'string'],
    ['ParamRef', 'string'],
    ['Age', 'string'],
  ],
};
const plainColumns: PrinterColumnFact[] = [
  ['Name', 'string'],
  ['Created At', 'date'],
];

const standard: Record<string, Column<any>['value']> = {
  Name: (o) => o.metadata.name,
  Age: (o, now) => age(o, now),
  'Created At': (o) => o.metadata.creationTimestamp,
};

function columnsOf<T extends KubeObject>(kind: string, values: KindRules<T>['columns'] = {}): Column<T>[] {
  const facts =
    moreColumns[kind] ??
    printerColumnFacts[columnKeys[kind] ?? kind[0]!.toLowerCase() + kind.slice(1)] ??
    plainColumns;
  const given: Record<string, Column<T>['value']> = { ...standard, ...values };
  return facts
    .filter(([name]) => given[name])
    .map(([name, type, extra]) => ({
      name,
      type,
      format: extra?.format ?? (name === 'Name' ? 'name' : ''),
      priority: extra?.priority ?? 0,
      value: given[name]!,
    }));
}

/** Whether objects of the type have a spec, as all have whose spec is a struct: leaving it out is leaving it empty. */
const hasSpec = (type: string): boolean => {
  const spec = typeFacts[type]?.fields?.spec?.t;
  return typeof spec === 'string' && typeFacts[spec]?.fields !== undefined;
};
const withSpec =
  <T extends KubeObject>(defaults: KindRules<T>['defaults']): KindRules<T>['defaults'] =>
  (object) => {
    (object as AnyObject).spec ??= {};
    defaults?.(object);
  };

/**
 * A built-in kind: the facts it stands for (`apps/v1 Deployment`), and its rules.
 * Throws when the facts have no such kind: a spelling mistake is found at start.
 */
export function kind<T extends KubeObject = AnyObject>(rules: { facts: string } & KindRules<T>): Kind<T> {
  const fact: ResourceFact | undefined = byName.get(rules.facts);
  if (!fact) throw new Error(`no facts for kind ${rules.facts}`);
  const { facts: _, ...rest } = rules;
  const type = `${fact.group.split('.')[0] || 'core'}.${fact.version}.${fact.kind}`;
  return {
    group: fact.group,
    version: fact.version,
    kind: fact.kind,
    plural: fact.resource,
    singular: fact.singular,
    shortNames: fact.short,
    categories: fact.categories,
    namespaced: fact.scope === 'Namespaced',
    verbs: fact.verbs,
    subresources: fact.subresources,
    type,
    rules: hasSpec(type) ? { ...rest, defaults: withSpec(rest.defaults) } : rest,
    columns: columnsOf(fact.kind, rest.columns),
  };
}

/** A span as `kubectl get` writes it: `5s`, `3m12s`, `4h`, `2d3h`, `400d`, `2y10d`. */
export function humanDuration(ms: number): string {
  const s = Math.floor(ms / 1000);
  const part = (n: number, u: string) => (n ? `${n}${u}` : '');
  if (s < -1) return '<invalid>';
  if (s < 0) return '0s';
  if (s < 120) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 10) return `${m}m${part(s % 60, 's')}`;
  if (m < 180) return `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 8) return `${h}h${part(m % 60, 'm')}`;
  if (h < 48) return `${h}h`;
  const d = Math.floor(h / 24);
  if (h < 192) return `${d}d${part(h % 24, 'h')}`;
  if (d < 730) return `${d}d`;
  const y = Math.floor(d / 365);
  return d < 2920 ? `${y}y${part(d % 365, 'd')}` : `${y}y`;
}

/** The `Age` column. */
export const age = (object: KubeObject, nowMs: number): string =>
  since(object.metadata.creationTimestamp, nowMs);

/** How long ago a timestamp was, or `<unknown>`. */
export const since = (timestamp: string | undefined, nowMs: number): string =>
  timestamp ? humanDuration(nowMs - Date.parse(timestamp)) : '<unknown>';
