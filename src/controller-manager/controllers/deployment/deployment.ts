import { deployments } from '../../../api/apps/deployment.ts';
import { replicaSets } from '../../../api/apps/replica-set.ts';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../../api/apps/v1.gen.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { controllerOf, equal } from '../../../machinery/meta.ts';
import { labelSelectorMatches } from '../../../machinery/selectors.ts';
import {
  type Action,
  create,
  event,
  patch,
  remove,
  requeueAfter,
  setStatus,
  update,
} from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { claim, controllerReference } from '../ownership.ts';
import { isTerminal } from '../pod-state.ts';
import { templateHash } from '../template-hash.ts';
import {
  annotation,
  hashLabel,
  inheritedAnnotations,
  isRollingUpdate,
  newSize,
  oldestFirst,
  revisionOf,
  sameTemplate,
  scale,
  scaledEvent,
  sizeAnnotations,
  sizeOf,
} from './replica-sets.ts';
import { rollingStep } from './rollout.ts';
import { isScaling, resize } from './scaling.ts';
import {
  conditionOf,
  countedStatus,
  deadlineIn,
  hasDeadline,
  isComplete,
  rolloutStatus,
  withProgress,
} from './status.ts';

export interface Observed {
  owned: ReplicaSet[];
  orphans: ReplicaSet[];
  /** Only for `Recreate`: pods of all ReplicaSets, by the ReplicaSet's uid. */
  pods: Map<string, Pod[]>;
  /** Whether another object has the name that a new ReplicaSet would get. */
  nameTaken: (name: string) => boolean;
}

/** Rolls out pod templates through ReplicaSets. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ */
export const deploymentController = controller<Deployment, Observed>({
  name: 'deployment',
  for: deployments,
  owns: [replicaSets],
  adopts: (d, rs: ReplicaSet) => labelSelectorMatches(d.spec.selector, rs.metadata.labels),
  // `Recreate` waits for the last old pod to go.
  watches: [
    watch(pods, (pod, cache, { type }) => {
      const owner = type === 'delete' ? controllerOf(pod) : undefined;
      if (owner?.kind !== 'ReplicaSet') return [];
      const rs = cache.of(replicaSets).get(owner.name, pod.metadata.namespace);
      const d = rs && controllerOf(rs);
      return d?.kind === 'Deployment' ? [`${pod.metadata.namespace}/${d.name}`] : [];
    }),
  ],
  traced: true,

  observe(d, cache) {
    const owned = cache.ownedBy(d, replicaSets);
    const ofEach = isRollingUpdate(d) ? [] : owned;
    return {
      owned,
      orphans: cache.orphans(replicaSets, d.metadata.namespace!),
      pods: new Map(ofEach.map((rs) => [rs.metadata.uid!, cache.ownedBy(rs, pods)])),
      nameTaken: (name) => cache.of(replicaSets).get(name, d.metadata.namespace) !== undefined,
    };
  },

  reconcile: (d, observed, nowMs) => reconcile(d, observed, nowMs),
});

/** One step; the caches' answer to it brings the next. */
export function reconcile(d: Deployment, observed: Observed, nowMs: number): Action[] {
  const claimed = claim(d, deployments, replicaSets, observed, (rs) =>
    labelSelectorMatches(d.spec.selector, rs.metadata.labels),
  );
  const all = claimed.objects.toSorted(oldestFirst);
  const newest = all.find((rs) => sameTemplate(rs.spec.template, d.spec.template));
  const old = all.filter((rs) => rs !== newest);
  const settle = (status: DeploymentStatus): Action[] => {
    const left = deadlineIn({ ...d, status }, nowMs);
    const wait =
      left !== undefined && left >= -1000 && !isComplete(d, status) ? [requeueAfter(left + 1000)] : [];
    return [...claimed.actions, setStatus(deployments, d, status), ...wait];
  };

  if (d.metadata.deletionTimestamp) return settle(countedStatus(d, newest, all, nowMs));

  const paused = pauseConditions(d, nowMs);
  if (paused) return [...claimed.actions, setStatus(deployments, d, { ...d.status, conditions: paused })];

  if (d.spec.paused || isScaling(d, all)) {
    const refreshed = newest ? refresh(d, newest, old) : [];
    const steps = writesReplicaSet(refreshed) ? refreshed : [...refreshed, ...resize(d, newest, old)];
    if (d.spec.paused) steps.push(...forgetHistory(d, old));
    return [...steps, ...settle(countedStatus(d, newest, all, nowMs))];
  }

  if (!isRollingUpdate(d)) {
    const down = old.flatMap((rs) => (sizeOf(rs) > 0 ? scale(d, rs, 0) : []));
    const alive = old.some((rs) => observed.pods.get(rs.metadata.uid!)?.some((pod) => !isTerminal(pod)));
    if (down.length > 0 || alive) return [...down, ...settle(rolloutStatus(d, newest, all, nowMs))];
  }
  if (!newest) return [...claimed.actions, ...introduce(d, old, observed.nameTaken, nowMs)];

  const refreshed = refresh(d, newest, old);
  const resized = isRollingUpdate(d) ? rollingStep(d, newest, old) : scale(d, newest, d.spec.replicas ?? 1);
  const steps = writesReplicaSet(refreshed) ? refreshed : [...refreshed, ...resized];
  const status = rolloutStatus(d, newest, all, nowMs);
  if (!conditionOf(status, 'Progressing')) {
    status.conditions = withProgress(
      d,
      status.conditions!,
      'True',
      'FoundNewReplicaSet',
      `Found new replica set "${newest.metadata.name}"`,
      nowMs,
    );
  }
  if (isComplete(d, status)) steps.push(...forgetHistory(d, old));
  return [...steps, ...settle(status)];
}

/** The Progressing condition tells of a pause, so that no deadline passes meanwhile. Undefined: nothing to tell. */
function pauseConditions(d: Deployment, nowMs: number) {
  const before = conditionOf(d.status, 'Progressing');
  if (!hasDeadline(d) || before?.reason === 'ProgressDeadlineExceeded') return undefined;
  const conditions = d.status?.conditions ?? [];
  const isPaused = before?.reason === 'DeploymentPaused';
  if (d.spec.paused && !isPaused)
    return withProgress(d, conditions, 'Unknown', 'DeploymentPaused', 'Deployment is paused', nowMs);
  if (!d.spec.paused && isPaused)
    return withProgress(d, conditions, 'Unknown', 'DeploymentResumed', 'Deployment is resumed', nowMs);
  return undefined;
}

/** An object is written once a step: its next version comes with the next step. */
const writesReplicaSet = (actions: Action[]): boolean => actions.some((a) => a.do === 'update');

const nextRevision = (old: ReplicaSet[]): number => Math.max(0, ...old.map(revisionOf)) + 1;

/**
 * Notes the revision on the deployment: what `kubectl rollout history` and `undo` go by. Through the status, where annotations
 * may change without counting as a new generation.
 */
function noteRevision(d: Deployment, revision: number): Action[] {
  if (d.metadata.annotations?.[annotation.revision] === String(revision)) return [];
  const annotations = { [annotation.revision]: String(revision) };
  const { resourceVersion } = d.metadata;
  return [
    patch(
      deployments,
      d,
      { metadata: { annotations, resourceVersion } },
      { type: 'merge', subresource: 'status' },
    ),
  ];
}

/** Makes the ReplicaSet for a template that has none. */
function introduce(
  d: Deployment,
  old: ReplicaSet[],
  nameTaken: Observed['nameTaken'],
  nowMs: number,
): Action[] {
  const hash = templateHash(d.spec.template, d.status?.collisionCount);
  const name = `${d.metadata.name}-${hash}`;
  const status = countedStatus(d, undefined, old, nowMs);
  if (nameTaken(name)) {
    const collisionCount = (d.status?.collisionCount ?? 0) + 1;
    return [setStatus(deployments, d, { ...status, collisionCount })];
  }
  const labels = { ...d.spec.template.metadata?.labels, [hashLabel]: hash };
  const replicas = newSize(d, old, 0);
  const revision = nextRevision(old);
  const rs: ReplicaSet = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: d.metadata.namespace,
      labels,
      annotations: {
        ...inheritedAnnotations(d),
        ...sizeAnnotations(d),
        [annotation.revision]: String(revision),
      },
      ownerReferences: [controllerReference(deployments, d)],
    },
    spec: {
      replicas,
      selector: { ...d.spec.selector, matchLabels: { ...d.spec.selector.matchLabels, [hashLabel]: hash } },
      template: { ...d.spec.template, metadata: { ...d.spec.template.metadata, labels } },
      ...(d.spec.minReadySeconds ? { minReadySeconds: d.spec.minReadySeconds } : {}),
    },
  };
  const told = (value: 'True' | 'False', reason: string, message: string): DeploymentStatus => ({
    ...status,
    conditions: withProgress(d, status.conditions ?? [], value, reason, message, nowMs),
  });
  return [
    create(replicaSets, rs, {
      done: () => [
        ...(replicas > 0 ? [scaledEvent(name, 0, replicas)] : []),
        setStatus(deployments, d, told('True', 'NewReplicaSetCreated', `Created new replica set "${name}"`)),
      ],
      failed: (error) => {
        const message = `Failed to create new replica set "${name}": ${error.message}`;
        return [
          setStatus(deployments, d, told('False', 'ReplicaSetCreateError', message)),
          event('Warning', 'ReplicaSetCreateError', message),
        ];
      },
    }),
  ];
}

/** Brings the newest ReplicaSet's annotations up to date; a template that comes back (undo) gets a new revision. */
function refresh(d: Deployment, newest: ReplicaSet, old: ReplicaSet[]): Action[] {
  const revision = Math.max(nextRevision(old), revisionOf(newest));
  const before = newest.metadata.annotations ?? {};
  const annotations: Record<string, string> = { ...before, ...inheritedAnnotations(d) };
  if (revisionOf(newest) < revision) {
    const last = before[annotation.revision];
    const history = before[annotation.revisionHistory];
    annotations[annotation.revision] = String(revision);
    if (last) annotations[annotation.revisionHistory] = history ? `${history},${last}` : last;
  }
  const minReadySeconds = d.spec.minReadySeconds ?? 0;
  const same = equal(annotations, before) && (newest.spec.minReadySeconds ?? 0) === minReadySeconds;
  if (same) return noteRevision(d, revision);
  const spec = { ...newest.spec, minReadySeconds };
  return [
    update(replicaSets, { ...newest, metadata: { ...newest.metadata, annotations }, spec }),
    ...noteRevision(d, revision),
  ];
}

/** Removes the oldest ReplicaSets that hold no pods, beyond as many as the history may keep. */
function forgetHistory(d: Deployment, old: ReplicaSet[]): Action[] {
  const limit = d.spec.revisionHistoryLimit ?? 2_147_483_647;
  const kept = old.filter((rs) => !rs.metadata.deletionTimestamp);
  return kept
    .toSorted((a, b) => revisionOf(a) - revisionOf(b) || oldestFirst(a, b))
    .slice(0, Math.max(0, kept.length - limit))
    .filter((rs) => {
      const seen = (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0);
      return seen && sizeOf(rs) === 0 && !rs.status?.replicas;
    })
    .map((rs) => remove(replicaSets, rs));
}
