import { controllerRevisions } from '../../api/apps/controller-revision.ts';
import type { ControllerRevision } from '../../api/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../api/core/v1.gen.ts';
import type { Kind } from '../../machinery/kind.ts';
import { equal, type KubeObject } from '../../machinery/meta.ts';
import { isAlreadyExists } from '../../machinery/status.ts';
import { type Action, create, remove, update } from '../runtime/actions.ts';
import { controllerReference } from './ownership.ts';
import { templateHash } from './template-hash.ts';

/** Templates as they were: DaemonSets and StatefulSets keep them to roll back to, and name pods' versions by them. */
export interface History {
  /** Of the template as it is now. Its metadata lacks what the server gives while it is not created yet. */
  newest: ControllerRevision;
  exists: boolean;
  actions: Action[];
}

const byRevision = (a: ControllerRevision, b: ControllerRevision): number =>
  a.revision - b.revision || (a.metadata.name! < b.metadata.name! ? -1 : 1);

/** A strategic merge patch that brings the template back: what `kubectl rollout undo` applies. */
const dataOf = (template: PodTemplateSpec) => ({ spec: { template: { ...template, $patch: 'replace' } } });

export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data as ReturnType<typeof dataOf>).spec.template;
  return template;
}

interface Owner extends KubeObject {
  spec: { template: PodTemplateSpec };
  status?: { collisionCount?: number };
}

/**
 * Finds the revision of the current template, or makes it. A template that comes back gets the highest number again.
 * `collided` says what to do when another object has the name already.
 */
export function history(
  owner: Owner,
  kind: Kind<any>,
  existing: ControllerRevision[],
  options: { labels: Record<string, string>; hashLabel: string; collided: (count: number) => Action },
): History {
  const data = dataOf(owner.spec.template);
  const sorted = existing.toSorted(byRevision);
  const equals = sorted.filter((r) => equal(r.data, data));
  const same = equals.at(-1);
  const next = (sorted.at(-1)?.revision ?? 0) + 1;
  if (same && same === sorted.at(-1)) return { newest: same, exists: true, actions: [] };
  if (same) {
    const newest = { ...same, revision: next };
    return { newest, exists: true, actions: [update(controllerRevisions, newest)] };
  }
  const collisions = owner.status?.collisionCount ?? 0;
  const hash = templateHash(data, collisions);
  const newest: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.metadata.name!.slice(0, 223)}-${hash}`,
      namespace: owner.metadata.namespace,
      labels: { ...options.labels, [options.hashLabel]: hash },
      annotations: owner.metadata.annotations,
      ownerReferences: [controllerReference(kind, owner)],
    },
    data,
    revision: next,
  };
  const failed = (error: Error) => (isAlreadyExists(error) ? [options.collided(collisions + 1)] : []);
  return { newest, exists: false, actions: [create(controllerRevisions, newest, { failed })] };
}

/** Removes the oldest revisions that nothing uses, beyond as many as may be kept. */
export function forgetRevisions(
  existing: ControllerRevision[],
  isUsed: (revision: ControllerRevision) => boolean,
  limit: number,
): Action[] {
  const unused = existing.filter((r) => !isUsed(r)).toSorted(byRevision);
  return unused.slice(0, Math.max(0, unused.length - limit)).map((r) => remove(controllerRevisions, r));
}
