import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import type { ClusterRole, PolicyRule } from '../../api/rbac/v1.gen.ts';
import { equal } from '../../machinery/meta.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import { update } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';

/** A ClusterRole with an aggregation rule has the rules of all that it selects. */
export const clusterRoleAggregationController = controller<ClusterRole, ClusterRole[]>({
  name: 'clusterrole-aggregation',
  component: 'clusterrole-aggregation-controller',
  for: clusterRoles,
  watches: [
    watch(clusterRoles, (role, cache, { old }) => {
      if (old && equal(old.rules, role.rules) && equal(old.metadata.labels, role.metadata.labels)) return [];
      return cache
        .of(clusterRoles)
        .list()
        .filter((r) => r.aggregationRule)
        .map((r) => r.metadata.name!);
    }),
  ],
  workers: 1,
  observe: (role, cache) => (role.aggregationRule ? cache.of(clusterRoles).list() : []),
  reconcile(role, all) {
    if (!role.aggregationRule || role.metadata.deletionTimestamp) return [];
    const selectors = role.aggregationRule.clusterRoleSelectors ?? [];
    const selected = all
      .filter((r) => r.metadata.name !== role.metadata.name)
      .filter((r) => selectors.some((s) => labelSelectorMatches(s, r.metadata.labels)))
      .sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
    const rules: PolicyRule[] = [];
    for (const rule of selected.flatMap((r) => r.rules ?? []))
      if (!rules.some((r) => equal(r, rule))) rules.push(rule);
    return equal(rules, role.rules ?? []) ? [] : [update(clusterRoles, { ...role, rules })];
  },
});
