import { controllerRevisions } from '../../../api/apps/controller-revision.ts';
import { daemonSets } from '../../../api/apps/daemon-set.ts';
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '../../../api/apps/v1.gen.ts';
import { nodes } from '../../../api/core/node.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Node, Pod } from '../../../api/core/v1.gen.ts';
import { equal, keyOf } from '../../../machinery/meta.ts';
import { labelSelectorMatches } from '../../../machinery/selectors.ts';
import { type Action, create, event, remove, requeueAfter, setStatus } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { forgetRevisions, history } from '../controller-revisions.ts';
import { claim } from '../ownership.ts';
import { compact, isAvailable, isReady, isTerminal, nextAvailability } from '../pod-state.ts';
import { daemonFor, nodeOf, type Placement, placementOn } from './placement.ts';
import { type NodeDaemons, rollingSteps } from './rollout.ts';

const hashLabel = 'controller-revision-hash';
/** Most daemons that one reconciliation makes or removes. */
const burst = 250;
const initialRetryMs = 1_000;
const maxRetryMs = 15 * 60_000;

export interface Observed {
  nodes: Node[];
  owned: Pod[];
  orphans: Pod[];
  revisions: ControllerRevision[];
  /** Milliseconds to wait before a daemon that failed on the node is replaced; 0 is now. */
  retryIn: (node: string, nowMs: number) => number;
}

/** How often daemons failed on a node: those that fail again and again are replaced less and less often. */
const failures = new WeakMap<object, Map<string, { atMs: number; delayMs: number }>>();

/** One pod on each node that the template allows. https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/ */
export const daemonSetController = controller<DaemonSet, Observed>({
  name: 'daemonset',
  for: daemonSets,
  owns: [pods, controllerRevisions],
  adopts: (ds, object) => labelSelectorMatches(ds.spec.selector, object.metadata.labels),
  watches: [
    watch(nodes, (node: Node, cache, { old }) => {
      const placing = (n: Node) => [n.metadata.labels, n.spec.taints, n.spec.unschedulable];
      if (old && equal(placing(old), placing(node))) return [];
      return cache.of(daemonSets).list().map(keyOf);
    }),
  ],
  traced: true,
  observe(ds, cache, { barrier }) {
    const known = failures.get(barrier) ?? new Map<string, { atMs: number; delayMs: number }>();
    failures.set(barrier, known);
    return {
      nodes: cache.of(nodes).list(),
      owned: cache.ownedBy(ds, pods),
      orphans: cache.orphans(pods, ds.metadata.namespace!),
      revisions: cache.ownedBy(ds, controllerRevisions),
      retryIn(node, nowMs) {
        const key = `${ds.metadata.uid}/${ds.metadata.generation}/${node}`;
        const last = known.get(key);
        if (last && last.atMs + last.delayMs > nowMs) return last.atMs + last.delayMs - nowMs;
        const calm = !last || nowMs - last.atMs > 2 * maxRetryMs;
        if (known.size > 50_000) known.clear();
        known.set(key, {
          atMs: nowMs,
          delayMs: calm ? initialRetryMs : Math.min(maxRetryMs, 2 * last.delayMs),
        });
        return 0;
      },
    };
  },
  reconcile: (ds, observed, nowMs) => reconcile(ds, observed, nowMs),
});

const age = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? '') || 0;

export function reconcile(ds: DaemonSet, observed: Observed, nowMs: number): Action[] {
  const claimed = claim(ds, daemonSets, pods, observed, (pod) =>
    labelSelectorMatches(ds.spec.selector, pod.metadata.labels),
  );
  const byNode = new Map<string, Pod[]>();
  for (const pod of claimed.objects.toSorted((a, b) => age(a) - age(b))) {
    const node = nodeOf(pod);
    if (node) byNode.set(node, [...(byNode.get(node) ?? []), pod]);
  }
  const places = new Map(observed.nodes.map((node) => [node.metadata.name!, placementOn(ds, node)]));
  const collided = (collisionCount: number) =>
    setStatus(daemonSets, ds, { ...(ds.status ?? emptyStatus), collisionCount });
  const past = history(ds, daemonSets, observed.revisions, {
    labels: ds.spec.template.metadata?.labels ?? {},
    hashLabel,
    collided,
  });
  const hash = past.newest.metadata.labels![hashLabel]!;
  const isNew = (pod: Pod) => pod.metadata.labels?.[hashLabel] === hash;
  const status = statusOf(ds, places, byNode, isNew, nowMs);
  if (ds.metadata.deletionTimestamp) return [setStatus(daemonSets, ds, status)];

  const plan = manage(ds, places, byNode, observed.retryIn, nowMs);
  if (plan.create.length + plan.remove.length === 0 && ds.spec.updateStrategy?.type !== 'OnDelete') {
    const running: NodeDaemons[] = [...places]
      .filter(([, { shouldRun }]) => shouldRun)
      .map(([node]) => ({ node, pods: byNode.get(node) ?? [] }));
    const steps = rollingSteps(running, { ds, isNew, nowMs });
    plan.create.push(...steps.create);
    plan.remove.push(...steps.remove);
  }
  const isUsed = (r: ControllerRevision) =>
    r.metadata.name === past.newest.metadata.name ||
    claimed.objects.some((pod) => pod.metadata.labels?.[hashLabel] === r.metadata.labels?.[hashLabel]);
  const wait = nextAvailability(claimed.objects, ds.spec.minReadySeconds, nowMs);
  return [
    ...claimed.actions,
    ...past.actions,
    ...plan.events,
    ...plan.create.slice(0, burst).map((node) =>
      create(pods, daemonFor(ds, node, hash), {
        done: (pod) => [event('Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)],
        failed: (error) => [event('Warning', 'FailedCreate', `Error creating: ${error.message}`)],
      }),
    ),
    ...plan.remove.slice(0, burst).map((pod) =>
      remove(pods, pod, {
        done: () => [event('Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)],
        failed: (error) => [event('Warning', 'FailedDelete', `Error deleting: ${error.message}`)],
      }),
    ),
    setStatus(daemonSets, ds, status),
    ...forgetRevisions(observed.revisions, isUsed, ds.spec.revisionHistoryLimit ?? 10),
    ...(wait === undefined ? [] : [requeueAfter(wait)]),
    ...(plan.retryMs === undefined ? [] : [requeueAfter(plan.retryMs)]),
  ];
}

interface Plan {
  create: string[];
  remove: Pod[];
  events: Action[];
  retryMs?: number;
}

/** Daemons where they should be, and none where they should not. */
function manage(
  ds: DaemonSet,
  places: Map<string, Placement>,
  byNode: Map<string, Pod[]>,
  retryIn: Observed['retryIn'],
  nowMs: number,
): Plan {
  const plan: Plan = { create: [], remove: [], events: [] };
  const surges =
    ds.spec.updateStrategy?.type !== 'OnDelete' &&
    !!Number.parseInt(String(ds.spec.updateStrategy?.rollingUpdate?.maxSurge ?? 0), 10);
  for (const [node, { shouldRun, mayStay }] of places) {
    const all = byNode.get(node) ?? [];
    if (shouldRun && all.length === 0) plan.create.push(node);
    const living = all.filter((pod) => !pod.metadata.deletionTimestamp);
    if (!mayStay) {
      plan.remove.push(...living);
      continue;
    }
    const running: Pod[] = [];
    for (const pod of living) {
      if (!isTerminal(pod)) {
        running.push(pod);
        continue;
      }
      const failed = pod.status?.phase === 'Failed';
      const waitMs = failed ? retryIn(node, nowMs) : 0;
      if (waitMs > 0) {
        plan.retryMs = Math.min(plan.retryMs ?? Number.POSITIVE_INFINITY, waitMs);
        continue;
      }
      const what = failed ? 'failed' : 'succeeded';
      const message = `Found ${what} daemon pod ${keyOf(pod)} on node ${node}, will try to ${failed ? 'kill' : 'delete'} it`;
      plan.events.push(
        event(failed ? 'Warning' : 'Normal', failed ? 'FailedDaemonPod' : 'SucceededDaemonPod', message),
      );
      plan.remove.push(pod);
    }
    // One is enough; while a rollout doubles them, one of each template.
    const templates = new Set<string | undefined>();
    for (const pod of running) {
      const template = surges ? pod.metadata.labels?.[hashLabel] : '';
      if (templates.has(template)) plan.remove.push(pod);
      templates.add(template);
    }
  }
  return plan;
}

const emptyStatus: DaemonSetStatus = {
  currentNumberScheduled: 0,
  desiredNumberScheduled: 0,
  numberMisscheduled: 0,
  numberReady: 0,
};

function statusOf(
  ds: DaemonSet,
  places: Map<string, Placement>,
  byNode: Map<string, Pod[]>,
  isNew: (pod: Pod) => boolean,
  nowMs: number,
): DaemonSetStatus {
  let [desired, current, misscheduled, ready, available, updated] = [0, 0, 0, 0, 0, 0];
  for (const [node, { shouldRun }] of places) {
    const all = byNode.get(node) ?? [];
    if (!shouldRun) {
      if (all.length > 0) misscheduled++;
      continue;
    }
    desired++;
    if (all.length === 0) continue;
    current++;
    // The youngest stands for the node: in a rollout it is the one that counts.
    const pod = all.findLast(isReady) ?? all.at(-1)!;
    if (isReady(pod)) {
      ready++;
      if (isAvailable(pod, ds.spec.minReadySeconds, nowMs)) available++;
    }
    if (all.some((p) => isNew(p) && !p.metadata.deletionTimestamp)) updated++;
  }
  return {
    currentNumberScheduled: current,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    ...compact({
      observedGeneration: ds.metadata.generation,
      updatedNumberScheduled: updated,
      numberAvailable: available,
      numberUnavailable: desired - available,
      collisionCount: ds.status?.collisionCount,
    }),
    ...(ds.status?.conditions ? { conditions: ds.status.conditions } : {}),
  };
}
