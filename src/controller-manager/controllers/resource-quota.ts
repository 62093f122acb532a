import { addUsage, countedResource, quotaApplies, type Usage, usageOf } from '../../api/core/quota-usage.ts';
import { resourceQuotas } from '../../api/core/resource-quota.ts';
import type { ResourceQuota } from '../../api/core/v1.gen.ts';
import { type Kind, resourceName } from '../../machinery/kind.ts';
import { equal, type KubeObject, keyOf } from '../../machinery/meta.ts';
import { canonicalQuantity } from '../../machinery/quantity.ts';
import { type Action, setStatus } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';
import type { Controller } from '../runtime/environment.ts';

/** Objects that a quota may count, by resource. */
type Counted = Map<string, KubeObject[]>;

const isCountable = (kind: Kind<any>): boolean =>
  kind.namespaced &&
  ['list', 'watch', 'create'].every((verb) => kind.verbs.includes(verb)) &&
  kind.kind !== 'Event';

/** Keeps the used amounts of ResourceQuotas true; the API server counts up at once, and this counts down. */
export const resourceQuotaController: Controller = {
  name: 'resourcequota',
  start(environment) {
    const kinds = environment.config.kinds.filter(isCountable);
    const byResource = new Map(kinds.map((kind) => [resourceName(kind), kind]));
    const quotasOf = (kind: Kind<any>) =>
      watch(kind, (object: KubeObject, cache, { type, old }) => {
        const quotas = cache.of(resourceQuotas).list(object.metadata.namespace);
        if (quotas.length === 0) return [];
        const resource = resourceName(kind);
        const now = environment.clock.now();
        // Most updates change nothing that counts.
        if (type === 'update' && equal(usageOf(resource, old!, now), usageOf(resource, object, now)))
          return [];
        return quotas.map(keyOf);
      });
    return controller<ResourceQuota, Counted>({
      name: 'resourcequota',
      for: resourceQuotas,
      watches: kinds.filter((kind) => kind !== resourceQuotas).map(quotasOf),
      observe(quota, cache) {
        const wanted = new Set(Object.keys(quota.spec.hard ?? {}).map(countedResource));
        const counted: Counted = new Map();
        for (const resource of wanted) {
          const kind = byResource.get(resource);
          if (kind) counted.set(resource, cache.of<KubeObject>(kind).list(quota.metadata.namespace));
        }
        return counted;
      },
      reconcile,
    }).start(environment);
  },
};

export function reconcile(quota: ResourceQuota, counted: Counted, nowMs: number): Action[] {
  let total: Usage = {};
  for (const [resource, objects] of counted)
    for (const object of objects)
      if (quotaApplies(quota, resource, object)) total = addUsage(total, usageOf(resource, object, nowMs));
  const hard = quota.spec.hard ?? {};
  const used = Object.fromEntries(
    Object.keys(hard).map((name) => [name, canonicalQuantity(total[name] ?? '0')]),
  );
  return [setStatus(resourceQuotas, quota, { hard: { ...hard }, used })];
}
