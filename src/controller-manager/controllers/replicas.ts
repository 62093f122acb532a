import type { ReplicaSetStatus } from '../../api/apps/v1.gen.ts';
import { pods } from '../../api/core/pod.ts';
import type { Pod, PodTemplateSpec } from '../../api/core/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import type { Labels } from '../../machinery/selectors.ts';
import {
  type Action,
  create,
  event,
  type Outcome,
  remove,
  requeueAfter,
  setStatus,
  times,
} from '../runtime/actions.ts';
import type { ControllerRules } from '../runtime/controller.ts';
import { byDeletionPreference } from './deletion-preference.ts';
import { claim, podFromTemplate } from './ownership.ts';
import { compact, isActive, isAvailable, isReady, isTerminating, nextAvailability } from './pod-state.ts';

/** What ReplicaSets and ReplicationControllers have in common. */
export interface Replicated extends KubeObject {
  spec: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  status?: ReplicaSetStatus;
}

interface Flavour<T extends Replicated> {
  name: string;
  component?: string;
  kind: Kind<T>;
  selects: (owner: T, labels: Labels) => boolean;
  hasTerminatingCount?: boolean;
}

interface Observed {
  owned: Pod[];
  orphans: Pod[];
  /** Pods of the same grandparent (a Deployment) by node: of two pods on one node, one goes first. */
  related: Map<string, number>;
}

/** Most pods that one reconciliation makes or removes. */
const burst = 500;

export function replicas<T extends Replicated>(flavour: Flavour<T>): ControllerRules<T, Observed> {
  const { kind, selects } = flavour;
  return {
    name: flavour.name,
    component: flavour.component,
    for: kind,
    owns: [pods],
    adopts: (owner, pod: Pod) => selects(owner, pod.metadata.labels),
    traced: true,

    observe(owner, cache) {
      const owned = cache.ownedBy(owner, pods);
      const wanted = owner.spec.replicas ?? 1;
      const related = new Map<string, number>();
      // Only a scale-down asks who shares a node with whom.
      if (owned.length > wanted) {
        const grandparent = owner.metadata.ownerReferences?.find((o) => o.controller);
        const siblings = grandparent
          ? cache
              .of(kind)
              .list(owner.metadata.namespace)
              .filter((o) => o.metadata.ownerReferences?.some((r) => r.uid === grandparent.uid))
          : [owner];
        for (const sibling of siblings)
          for (const pod of cache.ownedBy(sibling, pods)) {
            const node = pod.spec.nodeName;
            if (node && isActive(pod)) related.set(node, (related.get(node) ?? 0) + 1);
          }
      }
      return { owned, orphans: cache.orphans(pods, owner.metadata.namespace ?? ''), related };
    },

    reconcile(owner, observed, nowMs) {
      const claimed = claim(
        owner,
        kind,
        pods,
        { owned: observed.owned, orphans: observed.orphans.filter(isActive) },
        (pod) => selects(owner, pod.metadata.labels),
      );
      const active = claimed.objects.filter(isActive);
      const actions = [...claimed.actions];
      const missing = (owner.spec.replicas ?? 1) - active.length;
      if (!owner.metadata.deletionTimestamp)
        actions.push(...adjust(flavour, owner, active, missing, observed.related, nowMs));
      const terminating = claimed.objects.filter(isTerminating).length;
      actions.push(
        setStatus(kind, owner as T & { status?: ReplicaSetStatus }, (outcome: Outcome) =>
          statusOf(
            owner,
            active,
            flavour.hasTerminatingCount ? terminating : undefined,
            missing,
            outcome,
            nowMs,
          ),
        ),
      );
      const wait = nextAvailability(active, owner.spec.minReadySeconds, nowMs);
      if (wait !== undefined) actions.push(requeueAfter(wait));
      return actions;
    },
  };
}

function adjust<T extends Replicated>(
  flavour: Flavour<T>,
  owner: T,
  active: Pod[],
  missing: number,
  related: Map<string, number>,
  nowMs: number,
): Action[] {
  if (missing > 0) {
    const pod = podFromTemplate(flavour.kind, owner, owner.spec.template!);
    return times(Math.min(missing, burst), () =>
      create(pods, pod, {
        done: (made) => [event('Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`)],
        failed: (error) => [event('Warning', 'FailedCreate', `Error creating: ${error.message}`)],
      }),
    );
  }
  if (missing === 0) return [];
  return active
    .toSorted(byDeletionPreference(related, nowMs))
    .slice(0, Math.min(-missing, burst))
    .map((pod) =>
      remove(pods, pod, {
        done: () => [event('Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)],
        failed: (error) => [event('Warning', 'FailedDelete', `Error deleting: ${error.message}`)],
      }),
    );
}

function statusOf(
  owner: Replicated,
  active: Pod[],
  terminating: number | undefined,
  missing: number,
  { errors }: Outcome,
  nowMs: number,
): ReplicaSetStatus {
  const templateLabels = Object.entries(owner.spec.template?.metadata?.labels ?? {});
  const labelled = (pod: Pod) => templateLabels.every(([k, v]) => pod.metadata.labels?.[k] === v);
  const ready = active.filter(isReady);
  const before = owner.status?.conditions ?? [];
  const failure = before.find((c) => c.type === 'ReplicaFailure');
  const others = before.filter((c) => c !== failure);
  const conditions =
    errors.length === 0
      ? others
      : failure
        ? before
        : [
            ...others,
            {
              type: 'ReplicaFailure',
              status: 'True',
              lastTransitionTime: time(nowMs),
              reason: missing < 0 ? 'FailedDelete' : 'FailedCreate',
              message: errors[0]!.message,
            },
          ];
  return {
    replicas: active.length,
    ...compact({
      fullyLabeledReplicas: active.filter(labelled).length,
      readyReplicas: ready.length,
      availableReplicas: ready.filter((pod) => isAvailable(pod, owner.spec.minReadySeconds, nowMs)).length,
      observedGeneration: owner.metadata.generation,
    }),
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}
