import { leases } from '../../../api/coordination/lease.ts';
import { nodes } from '../../../api/core/node.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Node, Pod } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import { isConflict, isNotFound } from '../../../machinery/status.ts';
import { type Action, event, eventAbout, patch, requeueAfter } from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';
import type { Environment } from '../../runtime/environment.ts';
import { isReady, isTerminal, podCondition } from '../pod-state.ts';
import { lostConditions, nodeCondition, readiness, wantedTaints } from './conditions.ts';
import { byNode, indexPodsByNode } from './pods-by-node.ts';

const defaultGraceMs = 50_000;
/** A new node may take longer until its kubelet says something for the first time. */
const startupGraceMs = 60_000;
/** At most one more node of a zone begins to be emptied in this time. */
const evictionIntervalMs = 10_000;

interface Observed {
  /** When a sign of life was last seen, by our own clock: clocks of nodes are not trusted. */
  lastSeenMs: number;
  pods: Pod[];
  /** All nodes there are: when none of them is heard of, it is we who are cut off. */
  nodes: Node[];
  mayEvict: (nowMs: number) => boolean;
}

/** What was seen of nodes, and when. One for each running controller. */
class Signs {
  readonly #seenMs = new Map<string, number>();
  readonly #nextEviction = new Map<string, number>();

  saw(name: string, nowMs: number): void {
    this.#seenMs.set(name, nowMs);
  }
  lastSeen(name: string, nowMs: number): number {
    if (!this.#seenMs.has(name)) this.saw(name, nowMs);
    return this.#seenMs.get(name)!;
  }
  forget(name: string): void {
    this.#seenMs.delete(name);
  }
  mayEvict(zone: string, nowMs: number): boolean {
    if ((this.#nextEviction.get(zone) ?? 0) > nowMs) return false;
    this.#nextEviction.set(zone, nowMs + evictionIntervalMs);
    return true;
  }
}

const signsOf = new WeakMap<Environment['barrier'], Signs>();

const zoneOf = ({ metadata }: Node): string => metadata.labels?.['topology.kubernetes.io/zone'] ?? '';

/** Watches for signs of life of nodes; what is not heard of becomes Unknown, is tainted, and loses its pods' readiness. */
export const nodeLifecycleController = controller<Node, Observed>({
  name: 'node-lifecycle',
  component: 'node-controller',
  for: nodes,
  reads: [pods],
  indexes(environment) {
    const { informers, clock, barrier } = environment;
    const signs = new Signs();
    signsOf.set(barrier, signs);
    indexPodsByNode(informers);
    const saw = (name: string | undefined) => signs.saw(name!, clock.now());
    informers(leases, { namespace: 'kube-node-lease' }).on({
      add: ({ metadata }) => saw(metadata.name),
      update: ({ metadata, spec }, old) => spec?.renewTime !== old.spec?.renewTime && saw(metadata.name),
    });
    informers(nodes).on({
      add: ({ metadata }) => saw(metadata.name),
      update(node, old) {
        const beat = (n: Node) => nodeCondition(n, 'Ready')?.lastHeartbeatTime;
        if (beat(node) !== beat(old) && readiness(node) !== 'Unknown') saw(node.metadata.name);
      },
      delete: ({ metadata }) => signs.forget(metadata.name!),
    });
  },
  observe(node, cache, { barrier, clock }) {
    const signs = signsOf.get(barrier)!;
    const name = node.metadata.name!;
    return {
      lastSeenMs: signs.lastSeen(name, clock.now()),
      pods: cache.of(pods).byIndex(byNode, name),
      nodes: readiness(node) === 'True' ? [] : cache.of(nodes).list(),
      mayEvict: (nowMs) => signs.mayEvict(zoneOf(node), nowMs),
    };
  },
  reconcile: (node, observed, nowMs, { config }) =>
    reconcile(node, observed, nowMs, config.nodeMonitorGracePeriodMs ?? defaultGraceMs),
});

export function reconcile(node: Node, observed: Observed, nowMs: number, graceMs: number): Action[] {
  if (node.metadata.deletionTimestamp) return [];
  const name = node.metadata.name!;
  const silentMs = nowMs - observed.lastSeenMs;
  const patience = nodeCondition(node, 'Ready') ? graceMs : Math.max(graceMs, startupGraceMs);
  const lost = silentMs >= patience ? lostConditions(node, nowMs) : undefined;
  if (lost) {
    const body = { metadata: { uid: node.metadata.uid }, status: { conditions: lost } };
    const told =
      readiness(node) === 'True'
        ? [event('Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`)]
        : [];
    // Its answer wakes us again, for what follows from it.
    return [patch(nodes, node, body, { type: 'strategic', subresource: 'status' }), ...told];
  }

  const actions: Action[] = [];
  const cutOff = observed.nodes.length > 0 && observed.nodes.every((n) => readiness(n) === 'Unknown');
  const withEviction = wantedTaints(node, !cutOff, nowMs);
  const without = wantedTaints(node, false, nowMs);
  const evicts = withEviction.length > without.length;
  const delayed = evicts && !observed.mayEvict(nowMs);
  const taints = delayed ? without : withEviction;
  if (taints !== node.spec.taints && (taints.length > 0 || node.spec.taints)) {
    const body = { metadata: { resourceVersion: node.metadata.resourceVersion }, spec: { taints } };
    actions.push(patch(nodes, node, body, { type: 'merge' }));
  }
  if (delayed) actions.push(requeueAfter(evictionIntervalMs / 2));
  if (readiness(node) !== 'True' && nodeCondition(node, 'Ready'))
    actions.push(...markPods(observed.pods, node, nowMs));
  actions.push(requeueAfter(Math.max(1_000, patience - silentMs)));
  return actions;
}

/** Pods of a node that is not ready are not ready either, whatever they said last. */
function markPods(all: Pod[], node: Node, nowMs: number): Action[] {
  return all
    .filter((pod) => isReady(pod) && !isTerminal(pod))
    .flatMap((pod) => {
      const condition = { ...podCondition(pod, 'Ready')!, status: 'False', lastTransitionTime: time(nowMs) };
      const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
      const tolerates = (error: unknown) => isNotFound(error) || isConflict(error);
      return [
        patch(pods, pod, body, { type: 'strategic', subresource: 'status', tolerates }),
        eventAbout(pods, pod, 'Warning', 'NodeNotReady', `Node is not ready: ${node.metadata.name}`),
      ];
    })
    .sort((a, b) => (a.do === b.do ? 0 : a.do === 'patch' ? -1 : 1));
}
