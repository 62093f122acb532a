import type { Pod } from '../api/core/v1.gen.ts';
import type { LabelSelector } from '../machinery/meta.gen.ts';
import type { SchedulerCache } from './cache.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import type { NamespaceLabels } from './terms.ts';
import type { Volumes } from './volumes.ts';

/** What happened in the cluster that may make room for a pod. */
export type WakeEvent =
  | 'node/add'
  | 'node/labels'
  | 'node/taints'
  | 'node/allocatable'
  | 'pod/add'
  | 'pod/delete'
  | 'pod/labels'
  | 'pod/resize'
  | 'pod/self'
  | 'volume'
  | 'namespace';

/**
 * Why a pod cannot go to a node. `resolvable`: removing other pods from the node might help, so preemption may be tried.
 * Reasons are counted over all nodes in the message that the user sees.
 */
export interface Rejection {
  reasons: string[];
  resolvable: boolean;
}

/** `fits`, or why not. */
export type Verdict = Rejection | undefined;
export const fits: Verdict = undefined;

/** Preemption might help. */
export const notNow = (...reasons: string[]): Rejection => ({ reasons, resolvable: true });
/** No preemption would help. */
export const never = (...reasons: string[]): Rejection => ({ reasons, resolvable: false });

/** Nothing to check or to score for this pod: the plugin is left out of the cycle. */
export const skip = Symbol('skip');

/** The whole pod is rejected before any node is looked at. */
export class Rejected {
  readonly rejection: Rejection;
  constructor(rejection: Rejection) {
    this.rejection = rejection;
  }
}

/** Only these nodes can do at all. */
export class OnlyNodes<S> {
  readonly names: Set<string>;
  readonly state: S;
  constructor(names: Set<string>, state: S) {
    this.names = names;
    this.state = state;
  }
}

/** What plugins see of the cluster. */
export interface View {
  cache: SchedulerCache;
  volumes: Volumes;
  namespaceLabels: NamespaceLabels;
  /** What Services, ReplicaSets and the like say belongs together with this pod; undefined: nothing says so. */
  siblings: (pod: Pod) => LabelSelector | undefined;
}

/**
 * One criterion. All functions are synchronous and change nothing.
 * `F` is what `preFilter` hands to `filter`, `S` what `preScore` hands to `score`.
 */
export interface Plugin<F = any, S = any> {
  name: string;
  /** What can change a rejection by this plugin. */
  wakeOn: WakeEvent[];
  /** Keeps a pod out of the queue altogether. */
  preEnqueue?(pod: Pod): Verdict;
  preFilter?(pod: PodInfo, view: View): F | typeof skip | Rejected | OnlyNodes<F>;
  filter?(pod: PodInfo, node: NodeInfo, state: F): Verdict;
  preScore?(pod: PodInfo, nodes: NodeInfo[], view: View): S | typeof skip;
  /** Any number; `normalize` brings it to 0..100. */
  score?(pod: PodInfo, node: NodeInfo, state: S): number;
  /** In place. Left out: scores are within 0..100 already. */
  normalize?: 'highest-wins' | 'lowest-wins' | ((scores: Float64Array, nodes: NodeInfo[], state: S) => void);
  /** How much the score counts; 1 unless told. */
  weight?: number;
}

export const plugin = <F = undefined, S = undefined>(rules: Plugin<F, S>): Plugin<F, S> => rules;

/** Brings scores to 0..100 as a plugin says. */
export function normalize(plugin: Plugin, scores: Float64Array, nodes: NodeInfo[], state: unknown): void {
  const how = plugin.normalize;
  if (!how) return;
  if (typeof how === 'function') {
    how(scores, nodes, state);
    return;
  }
  let max = 0;
  for (const score of scores) if (score > max) max = score;
  const reverse = how === 'lowest-wins';
  if (max === 0) {
    if (reverse) scores.fill(100);
    return;
  }
  for (let i = 0; i < scores.length; i++) {
    const score = Math.floor((100 * scores[i]!) / max);
    scores[i] = reverse ? 100 - score : score;
  }
}
