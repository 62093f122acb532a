import { nodes } from '../../../api/core/node.ts';
import { tolerates } from '../../../api/core/node-selection.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Node, Pod, Taint } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import { isConflict, isNotFound } from '../../../machinery/status.ts';
import { type Action, eventAbout, patch, remove, requeueAfter } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { isTerminal } from '../pod-state.ts';
import { byNode, indexPodsByNode } from './pods-by-node.ts';

const noExecute = (node: Node | undefined): Taint[] =>
  (node?.spec.taints ?? []).filter((t) => t.effect === 'NoExecute');

interface Observed {
  pods: Pod[];
  /** When we first saw a taint that does not say when it was added. */
  firstSeen: (taint: Taint, nowMs: number) => number;
}

const seenByNode = new WeakMap<Node, number>();

/** Drives pods off nodes whose NoExecute taints they do not tolerate, or no longer. */
export const taintEvictionController = controller<Node, Observed>({
  name: 'taint-eviction-controller',
  component: 'taint-eviction-controller',
  for: nodes,
  // Nearly all nodes have no such taint, and then their pods do not concern us.
  watches: [
    watch(pods, (pod, cache, { type }) => {
      const name = pod.spec.nodeName;
      const matters = name && type !== 'delete' && noExecute(cache.of(nodes).get(name)).length > 0;
      return matters ? [name] : [];
    }),
  ],
  indexes: ({ informers }) => indexPodsByNode(informers),
  observe: (node, cache) => ({
    pods: noExecute(node).length > 0 ? cache.of(pods).byIndex(byNode, node.metadata.name!) : [],
    firstSeen(taint, nowMs) {
      if (taint.timeAdded) return Date.parse(taint.timeAdded);
      if (!seenByNode.has(node)) seenByNode.set(node, nowMs);
      return seenByNode.get(node)!;
    },
  }),
  reconcile: (node, observed, nowMs) => reconcile(node, observed, nowMs),
});

/** When a pod has to go, in milliseconds since the epoch; undefined: never. */
export function evictionTime(
  pod: Pod,
  taints: Taint[],
  addedMs: (taint: Taint) => number,
): number | undefined {
  let at: number | undefined;
  for (const taint of taints) {
    const used = (pod.spec.tolerations ?? []).filter((t) => tolerates(t, taint));
    if (used.length === 0) return 0;
    // Of several that tolerate the taint, the shortest counts; one without a limit does not shorten it.
    const limits = used.flatMap((t) =>
      t.tolerationSeconds === undefined ? [] : [Math.max(0, t.tolerationSeconds)],
    );
    if (limits.length === 0) continue;
    at = Math.min(at ?? Number.POSITIVE_INFINITY, addedMs(taint) + Math.min(...limits) * 1000);
  }
  return at;
}

export function reconcile(node: Node, observed: Observed, nowMs: number): Action[] {
  const taints = noExecute(node);
  if (taints.length === 0) return [];
  const gone = (error: unknown) => isNotFound(error) || isConflict(error);
  const marks: Action[] = [];
  const removals: Action[] = [];
  let next = Number.POSITIVE_INFINITY;
  for (const pod of observed.pods) {
    if (pod.metadata.deletionTimestamp || isTerminal(pod)) continue;
    const at = evictionTime(pod, taints, (taint) => observed.firstSeen(taint, nowMs));
    if (at === undefined) continue;
    if (at > nowMs) {
      next = Math.min(next, at);
      continue;
    }
    const { name, namespace, uid } = pod.metadata;
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: time(nowMs),
    };
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    marks.push(patch(pods, pod, body, { type: 'strategic', subresource: 'status', tolerates: gone }));
    removals.push(
      remove(pods, pod, {
        done: () => [
          eventAbout(
            pods,
            pod,
            'Normal',
            'TaintManagerEviction',
            `Marking for deletion Pod ${namespace}/${name}`,
          ),
        ],
      }),
    );
  }
  const wait = Number.isFinite(next) ? [requeueAfter(next - nowMs)] : [];
  return [...marks, ...removals, ...wait];
}
