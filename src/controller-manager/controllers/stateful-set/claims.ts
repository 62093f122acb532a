import { statefulSets } from '../../../api/apps/stateful-set.ts';
import type { StatefulSet } from '../../../api/apps/v1.gen.ts';
import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import { pods } from '../../../api/core/pod.ts';
import type { PersistentVolumeClaim, Pod } from '../../../api/core/v1.gen.ts';
import { apiVersionOf, type Kind } from '../../../machinery/kind.ts';
import type { OwnerReference } from '../../../machinery/meta.gen.ts';
import { equal, type KubeObject } from '../../../machinery/meta.ts';
import { isAlreadyExists } from '../../../machinery/status.ts';
import { type Action, create, event, update } from '../../runtime/actions.ts';
import { claimsOf } from './identity.ts';

export type ClaimCache = (name: string) => PersistentVolumeClaim | undefined;

/** Makes what a pod's claims lack. */
export function missingClaims(set: StatefulSet, ordinal: number, there: ClaimCache): Action[] {
  const about = (claim: PersistentVolumeClaim) =>
    `create Claim ${claim.metadata.name} Pod ${set.metadata.name}-${ordinal} in StatefulSet ${set.metadata.name}`;
  return claimsOf(set, ordinal)
    .filter((claim) => !there(claim.metadata.name!))
    .map((claim) =>
      create(persistentVolumeClaims, withOwner(set, claim), {
        tolerates: isAlreadyExists,
        done: () => [event('Normal', 'SuccessfulCreate', `${about(claim)} success`)],
        failed: (error) => [
          event('Warning', 'FailedCreate', `${about(claim)} failed error: ${error.message}`),
        ],
      }),
    );
}

/** A claim on its way out must be gone before its pod is made again, or the pod would lose its volume. */
export const hasStaleClaim = (set: StatefulSet, ordinal: number, there: ClaimCache): boolean =>
  claimsOf(set, ordinal).some((claim) => !!there(claim.metadata.name!)?.metadata.deletionTimestamp);

const referenceTo = (kind: Kind<any>, owner: KubeObject): OwnerReference => ({
  apiVersion: apiVersionOf(kind),
  kind: kind.kind,
  name: owner.metadata.name!,
  uid: owner.metadata.uid!,
});

const deletesWithSet = (set: StatefulSet): boolean =>
  set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === 'Delete';

function withOwner(set: StatefulSet, claim: PersistentVolumeClaim): PersistentVolumeClaim {
  if (!deletesWithSet(set)) return claim;
  return { ...claim, metadata: { ...claim.metadata, ownerReferences: [referenceTo(statefulSets, set)] } };
}

/**
 * Owners of claims, as the retention policy says: with `whenDeleted: Delete` the set, so that they go with it; with
 * `whenScaled: Delete` the pod, once it is to go for good.
 */
export function retention(
  set: StatefulSet,
  ordinal: number,
  condemned: Pod | undefined,
  there: ClaimCache,
): Action[] {
  const policy = set.spec.persistentVolumeClaimRetentionPolicy;
  if (!policy) return [];
  const goesWithPod = condemned && policy.whenScaled === 'Delete';
  const wanted = goesWithPod
    ? [referenceTo(pods, condemned)]
    : deletesWithSet(set)
      ? [referenceTo(statefulSets, set)]
      : [];
  return claimsOf(set, ordinal).flatMap((claim) => {
    const existing = there(claim.metadata.name!);
    if (!existing || existing.metadata.deletionTimestamp) return [];
    const before = existing.metadata.ownerReferences ?? [];
    const others = before.filter(
      (r) =>
        !(r.kind === 'Pod' && r.name === `${set.metadata.name}-${ordinal}`) && r.uid !== set.metadata.uid,
    );
    const ownerReferences = [...others, ...wanted];
    if (equal(ownerReferences, before)) return [];
    return [
      update(persistentVolumeClaims, { ...existing, metadata: { ...existing.metadata, ownerReferences } }),
    ];
  });
}
