import { countedResource, quotaApplies, type Usage, usageOf } from '../../api/core/quota-usage.ts';
import { resourceQuotas } from '../../api/core/resource-quota.ts';
import type { Pod, ResourceQuota } from '../../api/core/v1.gen.ts';
import { resourceName } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { addQuantities, compareQuantity, subtractQuantities } from '../../machinery/quantity.ts';
import { forbidden } from '../../machinery/status.ts';
import { type Entry, encodeForStore } from '../cache/entry.ts';
import type { Admission, Alongside } from '../context.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';

/**
 * Counts what a write would use against the quotas of its namespace, in the same transaction as the write: they are never
 * exceeded, and a write that fails is not counted. Sees a write last. Source: "Resource Quotas".
 */
export const resourceQuota = (registry: Registry): AdmissionPlugin => ({
  name: 'ResourceQuota',
  on: ({ context, operation, subresource }) =>
    context.served.kind.namespaced &&
    ((operation === 'CREATE' && !subresource) ||
      (operation === 'UPDATE' &&
        (subresource === 'resize' || (!subresource && changing.has(context.plural))))),
  validate(admission) {
    const { context, object } = admission;
    const namespace = context.namespace ?? object!.metadata.namespace;
    const prefix = `/registry/resourcequotas/${namespace}/`;
    const cache = registry.caches.of(resourceQuotas)!;
    const charges = (): Alongside[] =>
      [...cache.range(prefix)].flatMap((entry) => {
        const used = usedAfter(admission, entry);
        if (!used) return [];
        const draft = clone(entry.object);
        draft.status = { ...draft.status, used: { ...draft.status?.used, ...used } };
        const { key, revision } = entry;
        return [{ key, revision, value: encodeForStore(cache.kind, draft), decoded: draft }];
      });
    if (charges().length) admission.alongside?.push(charges);
  },
});

/** Resources that may use more after an update. */
const changing = new Set(['services', 'persistentvolumeclaims']);

/** What the quota counts once the write is done; undefined where it is not about it. Throws 403. */
function usedAfter({ context, object, old }: Admission, { object: found }: Entry): Usage | undefined {
  const quota = found as unknown as ResourceQuota;
  const { kind } = context.served;
  const resource = resourceName(kind);
  if (!quotaApplies(quota, resource, object!)) return undefined;
  const refuse = (why: string) => forbidden(kind, object!.metadata.name ?? '', why);
  const names = Object.keys(quota.status?.hard ?? quota.spec.hard ?? {});
  const { name } = quota.metadata;
  if (resource === 'pods' && !old) {
    const missing = unstated(object as Pod, names);
    if (missing) throw refuse(`failed quota: ${name}: must specify ${missing}`);
  }
  const usage = usageOf(resource, object!, context.nowMs);
  const before: Usage = old ? usageOf(resource, old as AnyObject, context.nowMs) : {};
  const delta: Usage = {};
  for (const n of names) {
    if (usage[n] === undefined || compareQuantity(usage[n], before[n]) <= 0) continue;
    delta[n] = subtractQuantities(usage[n], before[n]);
  }
  const asked = Object.keys(delta).sort();
  if (!asked.length) return undefined;
  const { hard = {}, used = {} } = quota.status ?? {};
  const unknown = asked.filter((n) => hard[n] === undefined || used[n] === undefined);
  if (unknown.length) throw refuse(`status unknown for quota: ${name}, resources: ${unknown.join(',')}`);
  const over = asked.filter((n) => compareQuantity(addQuantities(used[n], delta[n]), hard[n]) > 0);
  if (over.length) {
    const list = (of: Record<string, string>) => over.map((n) => `${n}=${of[n]}`).join(',');
    throw refuse(
      `exceeded quota: ${name}, requested: ${list(delta)}, used: ${list(used)}, limited: ${list(hard)}`,
    );
  }
  return Object.fromEntries(asked.map((n) => [n, addQuantities(used[n], delta[n])]));
}

/** Where CPU or memory is counted, every container must say what it wants: `cpu,memory for: web`. */
function unstated({ spec }: Pod, names: string[]): string | undefined {
  const counted = names.filter(
    (n) => countedResource(n) === 'pods' && /^((requests|limits)\.)?(cpu|memory)$/.test(n),
  );
  const lacking = new Map<string, string[]>();
  for (const { name, resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    for (const n of counted) {
      const [sort, of] = n.includes('.')
        ? (n.split('.') as ['requests' | 'limits', string])
        : (['requests', n] as const);
      if (resources?.[sort]?.[of] === undefined && spec.resources?.[sort]?.[of] === undefined)
        lacking.set(n, [...(lacking.get(n) ?? []), name]);
    }
  }
  if (!lacking.size) return undefined;
  return [...lacking]
    .map(([n, containers]) => `${n} for: ${containers.join(',')}`)
    .sort()
    .join('; ');
}
