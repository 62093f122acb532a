import { deployments } from '../../api/apps/deployment.ts';
import { replicaSets } from '../../api/apps/replica-set.ts';
import { statefulSets } from '../../api/apps/stateful-set.ts';
import { pods } from '../../api/core/pod.ts';
import { replicationControllers } from '../../api/core/replication-controller.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import { podDisruptionBudgets } from '../../api/policy/pod-disruption-budget.ts';
import type { PodDisruptionBudget } from '../../api/policy/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import type { Condition } from '../../machinery/meta.gen.ts';
import { controllerOf, equal, keyOf } from '../../machinery/meta.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import { type Action, event, requeueAfter, setStatus } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';
import type { Cache } from '../runtime/environment.ts';
import { intOrPercent } from './int-or-percent.ts';
import { isActive, isReady } from './pod-state.ts';

/** An eviction that was allowed must have begun by then, or it is taken as not having happened. */
const evictionTimeoutMs = 120_000;

export interface Observed {
  pods: Pod[];
  /** How many pods each controller of them wants, by its uid; undefined where one cannot be asked. */
  scales: Map<string, number | undefined>;
}

/** Says how many pods may be evicted now. https://kubernetes.io/docs/tasks/run-application/configure-pdb/ */
export const disruptionController = controller<PodDisruptionBudget, Observed>({
  name: 'disruption',
  component: 'controllermanager',
  for: podDisruptionBudgets,
  watches: [
    watch(pods, (pod, cache, { old }) => {
      const state = (p: Pod) => [isReady(p), isActive(p), p.metadata.labels, !!p.metadata.deletionTimestamp];
      if (old && equal(state(old), state(pod))) return [];
      return cache
        .of(podDisruptionBudgets)
        .list(pod.metadata.namespace)
        .filter((b) => [pod, old].some((p) => p && labelSelectorMatches(b.spec.selector, p.metadata.labels)))
        .map(keyOf);
    }),
    ...[deployments, replicaSets, statefulSets, replicationControllers].map((kind) =>
      watch<any>(kind as any, (owner, cache, { old }) =>
        old && old.spec.replicas === owner.spec.replicas
          ? []
          : cache.of(podDisruptionBudgets).list(owner.metadata.namespace).map(keyOf),
      ),
    ),
  ],
  observe(budget, cache) {
    const all = cache
      .of(pods)
      .list(budget.metadata.namespace)
      .filter((pod) => labelSelectorMatches(budget.spec.selector, pod.metadata.labels) && isCounted(pod));
    const scales = new Map<string, number | undefined>();
    for (const pod of all) {
      const owner = controllerOf(pod);
      if (owner && !scales.has(owner.uid)) scales.set(...scaleOf(pod, cache));
    }
    return { pods: all, scales };
  },
  reconcile: (budget, observed, nowMs) => reconcile(budget, observed, nowMs),
});

const isCounted = (pod: Pod): boolean => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';

/** The uid of the controller at the top (a Deployment above its ReplicaSets), and how many pods it wants. */
function scaleOf(pod: Pod, cache: Cache): [string, number | undefined] {
  const owner = controllerOf(pod)!;
  const { namespace } = pod.metadata;
  if (owner.kind === 'ReplicaSet') {
    const rs = cache.of(replicaSets).get(owner.name, namespace);
    const above = rs && controllerOf(rs);
    const d = above?.kind === 'Deployment' ? cache.of(deployments).get(above.name, namespace) : undefined;
    return d ? [d.metadata.uid!, d.spec.replicas ?? 1] : [owner.uid, rs?.spec.replicas];
  }
  if (owner.kind === 'StatefulSet')
    return [owner.uid, cache.of(statefulSets).get(owner.name, namespace)?.spec.replicas];
  if (owner.kind !== 'ReplicationController') return [owner.uid, undefined];
  return [owner.uid, cache.of(replicationControllers).get(owner.name, namespace)?.spec.replicas];
}

/** How many pods there should be, and how many of them healthy; a text where that cannot be known. */
function expectation(
  { spec }: PodDisruptionBudget,
  { pods: all, scales }: Observed,
): { expected: number; healthy: number } | string {
  const { maxUnavailable, minAvailable } = spec;
  const bySize = maxUnavailable !== undefined || typeof minAvailable === 'string';
  if (!bySize) return { expected: all.length, healthy: Number(minAvailable ?? 1) };
  const stray = all.find((pod) => !controllerOf(pod));
  if (stray) return `found no controller ref for pod "${stray.metadata.name}"`;
  let expected = 0;
  for (const size of scales.values()) {
    if (size === undefined) return 'found a controller of pods without a scale';
    expected += size;
  }
  if (maxUnavailable !== undefined) {
    return { expected, healthy: Math.max(0, expected - intOrPercent(maxUnavailable, expected, 'up')) };
  }
  return { expected, healthy: intOrPercent(minAvailable, expected, 'up') };
}

export function reconcile(budget: PodDisruptionBudget, observed: Observed, nowMs: number): Action[] {
  if (budget.metadata.deletionTimestamp) return [];
  const wanted = expectation(budget, observed);
  if (typeof wanted === 'string') {
    const status = {
      ...budget.status,
      currentHealthy: budget.status?.currentHealthy ?? 0,
      desiredHealthy: budget.status?.desiredHealthy ?? 0,
      expectedPods: budget.status?.expectedPods ?? 0,
      disruptionsAllowed: 0,
      conditions: withCondition(budget, false, 'SyncFailed', wanted, nowMs),
    };
    const message = `Failed to calculate the number of expected pods: ${wanted}`;
    return [
      event('Warning', 'CalculateExpectedPodCountFailed', message),
      setStatus(podDisruptionBudgets, budget, status),
    ];
  }
  const disrupted: Record<string, string> = {};
  for (const pod of observed.pods) {
    const at = budget.status?.disruptedPods?.[pod.metadata.name!];
    if (!at || pod.metadata.deletionTimestamp) continue;
    if (Date.parse(at) + evictionTimeoutMs > nowMs) disrupted[pod.metadata.name!] = at;
  }
  const healthy = observed.pods.filter(
    (pod) => isReady(pod) && !pod.metadata.deletionTimestamp && !disrupted[pod.metadata.name!],
  ).length;
  const allowed = wanted.expected <= 0 ? 0 : Math.max(0, healthy - wanted.healthy);
  const waiting = Object.values(disrupted).map((at) => Date.parse(at) + evictionTimeoutMs - nowMs);
  return [
    setStatus(podDisruptionBudgets, budget, {
      currentHealthy: healthy,
      desiredHealthy: wanted.healthy,
      expectedPods: wanted.expected,
      disruptionsAllowed: allowed,
      ...(waiting.length > 0 ? { disruptedPods: disrupted } : {}),
      observedGeneration: budget.metadata.generation,
      conditions: withCondition(
        budget,
        allowed > 0,
        allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
        '',
        nowMs,
      ),
    }),
    ...(waiting.length > 0 ? [requeueAfter(Math.min(...waiting))] : []),
  ];
}

function withCondition(
  budget: PodDisruptionBudget,
  ok: boolean,
  reason: string,
  message: string,
  nowMs: number,
): Condition[] {
  const all = budget.status?.conditions ?? [];
  const before = all.find((c) => c.type === 'DisruptionAllowed');
  const status = ok ? 'True' : 'False';
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : time(nowMs);
  const { generation } = budget.metadata;
  const condition = { type: 'DisruptionAllowed', status, reason, message, lastTransitionTime };
  return [
    ...all.filter((c) => c !== before),
    generation ? { ...condition, observedGeneration: generation } : condition,
  ];
}
