import { controllerRevisions } from '../../../api/apps/controller-revision.ts';
import { statefulSets } from '../../../api/apps/stateful-set.ts';
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from '../../../api/apps/v1.gen.ts';
import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { labelSelectorMatches } from '../../../machinery/selectors.ts';
import {
  type Action,
  create,
  event,
  remove,
  requeueAfter,
  setStatus,
  update,
} from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';
import { forgetRevisions, history, templateOf } from '../controller-revisions.ts';
import { intOrPercent } from '../int-or-percent.ts';
import { claim } from '../ownership.ts';
import { compact, isAvailable, isReady, isTerminal, nextAvailability } from '../pod-state.ts';
import { type ClaimCache, hasStaleClaim, missingClaims, retention } from './claims.ts';
import { firstOrdinal, hasIdentity, ordinalOf, podOf, revisionOf, withIdentity } from './identity.ts';

export interface Observed {
  owned: Pod[];
  orphans: Pod[];
  revisions: ControllerRevision[];
  claims: ClaimCache;
}

/** Pods with names and volumes of their own, in order. https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ */
export const statefulSetController = controller<StatefulSet, Observed>({
  name: 'statefulset',
  for: statefulSets,
  owns: [pods, controllerRevisions],
  adopts: (set, object) => labelSelectorMatches(set.spec.selector, object.metadata.labels),
  reads: [persistentVolumeClaims],
  traced: true,
  observe: (set, cache) => ({
    owned: cache.ownedBy(set, pods),
    orphans: cache.orphans(pods, set.metadata.namespace!),
    revisions: cache.ownedBy(set, controllerRevisions),
    claims: (name) => cache.of(persistentVolumeClaims).get(name, set.metadata.namespace),
  }),
  reconcile: (set, observed, nowMs) => reconcile(set, observed, nowMs),
});

const replicasOf = (set: StatefulSet): number => set.spec.replicas ?? 1;
const partitionOf = (set: StatefulSet): number => set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
const isRolling = (set: StatefulSet): boolean => set.spec.updateStrategy?.type !== 'OnDelete';

export function reconcile(set: StatefulSet, observed: Observed, nowMs: number): Action[] {
  const selects = (pod: Pod) =>
    labelSelectorMatches(set.spec.selector, pod.metadata.labels) && ordinalOf(set, pod) >= 0;
  const claimed = claim(set, statefulSets, pods, observed, selects);
  const collided = (collisionCount: number) =>
    setStatus(statefulSets, set, { ...(set.status ?? { replicas: 0 }), collisionCount });
  const past = history(set, statefulSets, observed.revisions, {
    labels: set.spec.selector.matchLabels ?? {},
    hashLabel: 'controller.kubernetes.io/hash',
    collided,
  });
  const current =
    observed.revisions.find((r) => r.metadata.name === set.status?.currentRevision) ?? past.newest;
  const plan = new Plan(set, claimed.objects, current, past.newest, observed.claims, nowMs);
  const used = new Set([
    current.metadata.name,
    past.newest.metadata.name,
    ...claimed.objects.map(revisionOf),
  ]);
  const wait = nextAvailability(claimed.objects, set.spec.minReadySeconds, nowMs);
  return [
    ...claimed.actions,
    ...past.actions,
    ...(set.metadata.deletionTimestamp ? [] : plan.actions()),
    setStatus(statefulSets, set, plan.status()),
    ...forgetRevisions(
      observed.revisions,
      (r) => used.has(r.metadata.name!),
      set.spec.revisionHistoryLimit ?? 10,
    ),
    ...(wait === undefined ? [] : [requeueAfter(wait)]),
  ];
}

/** What to do now. In order (`OrderedReady`), each number waits for those before it; in `Parallel`, none waits. */
class Plan {
  readonly #set: StatefulSet;
  readonly #pods: Pod[];
  readonly #current: ControllerRevision;
  readonly #newest: ControllerRevision;
  readonly #claims: ClaimCache;
  readonly #nowMs: number;
  readonly #ordered: boolean;
  /** By number, from the first on. */
  readonly #replicas: (Pod | undefined)[];
  /** Numbers beyond the wanted ones, the highest first. */
  readonly #condemned: Pod[];
  #leaving = 0;

  constructor(
    set: StatefulSet,
    all: Pod[],
    current: ControllerRevision,
    newest: ControllerRevision,
    claims: ClaimCache,
    nowMs: number,
  ) {
    this.#set = set;
    this.#pods = all;
    this.#current = current;
    this.#newest = newest;
    this.#claims = claims;
    this.#nowMs = nowMs;
    this.#ordered = set.spec.podManagementPolicy !== 'Parallel';
    const first = firstOrdinal(set);
    const byOrdinal = new Map(all.map((pod) => [ordinalOf(set, pod), pod]));
    this.#replicas = Array.from({ length: replicasOf(set) }, (_, i) => byOrdinal.get(first + i));
    this.#condemned = all
      .filter((pod) => ordinalOf(set, pod) < first || ordinalOf(set, pod) >= first + replicasOf(set))
      .sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a));
  }

  actions(): Action[] {
    const actions: Action[] = [];
    for (let i = 0; i < this.#replicas.length; i++) {
      const { todo, blocks } = this.#replica(i);
      actions.push(...todo);
      if (blocks && this.#ordered) return actions;
    }
    for (const pod of this.#condemned)
      actions.push(...retention(this.#set, ordinalOf(this.#set, pod), pod, this.#claims));
    for (const pod of this.#condemned) {
      const { todo, blocks } = this.#condemn(pod);
      actions.push(...todo);
      if (blocks && this.#ordered) return actions;
    }
    // Creates next to each other can be made side by side; claims before pods.
    const order = (a: Action) => (a.do === 'create' && a.kind.kind !== 'Pod' ? 0 : a.do === 'create' ? 1 : 2);
    const sorted = actions.toSorted((a, b) => order(a) - order(b));
    return isRolling(this.#set) ? [...sorted, ...this.#rollout()] : sorted;
  }

  #replica(i: number): { todo: Action[]; blocks: boolean } {
    const ordinal = firstOrdinal(this.#set) + i;
    const pod = this.#replicas[i];
    if (!pod) {
      if (hasStaleClaim(this.#set, ordinal, this.#claims)) return { todo: [], blocks: true };
      const todo = [...missingClaims(this.#set, ordinal, this.#claims), this.#create(ordinal)];
      return { todo, blocks: true };
    }
    if (isTerminal(pod))
      return { todo: pod.metadata.deletionTimestamp ? [] : [this.#remove(pod)], blocks: true };
    const todo: Action[] = [];
    if (pod.status?.phase === 'Pending') todo.push(...missingClaims(this.#set, ordinal, this.#claims));
    if (this.#isUnavailable(pod)) return { todo, blocks: true };
    if (!hasIdentity(pod)) todo.push(update(pods, withIdentity(this.#set, pod)));
    todo.push(...retention(this.#set, ordinal, undefined, this.#claims));
    return { todo, blocks: false };
  }

  #condemn(pod: Pod): { todo: Action[]; blocks: boolean } {
    if (pod.metadata.deletionTimestamp) return { todo: [], blocks: true };
    if (this.#isUnavailable(pod) && this.#ordered && pod !== this.#firstUnavailable())
      return { todo: [], blocks: true };
    return { todo: [this.#remove(pod)], blocks: true };
  }

  /** Numbers from the highest down to the partition get the new template, as many at once as may be missing. */
  #rollout(): Action[] {
    const maxUnavailable = Math.max(
      1,
      intOrPercent(
        this.#set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1,
        replicasOf(this.#set),
        'up',
      ),
    );
    let room = maxUnavailable - this.#replicas.filter((pod) => !pod || this.#isUnavailable(pod)).length;
    const actions: Action[] = [];
    for (let i = this.#replicas.length - 1; i >= partitionOf(this.#set) && room > 0; i--) {
      const pod = this.#replicas[i];
      if (!pod || revisionOf(pod) === this.#newest.metadata.name || pod.metadata.deletionTimestamp) continue;
      actions.push(this.#remove(pod));
      this.#leaving++;
      room--;
    }
    return actions;
  }

  #create(ordinal: number): Action {
    const revision = this.#revisionFor(ordinal);
    const pod = podOf(this.#set, templateOf(revision), revision.metadata.name!, ordinal);
    const what = `create Pod ${pod.metadata.name} in StatefulSet ${this.#set.metadata.name}`;
    return create(pods, pod, {
      done: () => [event('Normal', 'SuccessfulCreate', `${what} successful`)],
      failed: (error) => [event('Warning', 'FailedCreate', `${what} failed error: ${error.message}`)],
    });
  }

  /** A number below the partition keeps the older template, even when it is made anew. */
  #revisionFor(ordinal: number): ControllerRevision {
    const strategy = this.#set.spec.updateStrategy;
    const below = strategy?.rollingUpdate
      ? ordinal < firstOrdinal(this.#set) + partitionOf(this.#set)
      : isRolling(this.#set) && ordinal < firstOrdinal(this.#set) + (this.#set.status?.currentReplicas ?? 0);
    return below ? this.#current : this.#newest;
  }

  #remove(pod: Pod): Action {
    const what = `delete Pod ${pod.metadata.name} in StatefulSet ${this.#set.metadata.name}`;
    return remove(pods, pod, {
      done: () => [event('Normal', 'SuccessfulDelete', `${what} successful`)],
      failed: (error) => [event('Warning', 'FailedDelete', `${what} failed error: ${error.message}`)],
    });
  }

  #works(pod: Pod): boolean {
    return pod.status?.phase === 'Running' && isReady(pod);
  }

  #isUnavailable(pod: Pod): boolean {
    return (
      !!pod.metadata.deletionTimestamp ||
      !this.#works(pod) ||
      !isAvailable(pod, this.#set.spec.minReadySeconds, this.#nowMs)
    );
  }

  #firstUnavailable(): Pod | undefined {
    return [...this.#replicas, ...this.#condemned.toReversed()].find(
      (pod) => !pod || this.#isUnavailable(pod),
    );
  }

  status(): StatefulSetStatus {
    const working = this.#pods.filter((pod) => this.#works(pod));
    const steady = this.#pods.filter((pod) => !pod.metadata.deletionTimestamp);
    const ofRevision = (r: ControllerRevision) =>
      steady.filter((p) => revisionOf(p) === r.metadata.name).length;
    const updated = ofRevision(this.#newest);
    const wanted = replicasOf(this.#set);
    // Once all are of the new template, it is the current one.
    const complete =
      isRolling(this.#set) && updated === wanted && working.length === wanted && this.#pods.length === wanted;
    const current = complete ? this.#newest : this.#current;
    const { collisionCount, conditions } = this.#set.status ?? {};
    return {
      replicas: this.#pods.length,
      availableReplicas: working.filter((p) => isAvailable(p, this.#set.spec.minReadySeconds, this.#nowMs))
        .length,
      ...compact({
        observedGeneration: this.#set.metadata.generation,
        readyReplicas: working.length,
        currentReplicas: complete
          ? updated
          : ofRevision(current) - (current === this.#newest ? 0 : this.#leaving),
        updatedReplicas: updated,
      }),
      currentRevision: current.metadata.name,
      updateRevision: this.#newest.metadata.name,
      collisionCount: collisionCount ?? 0,
      ...(conditions ? { conditions } : {}),
    };
  }
}
