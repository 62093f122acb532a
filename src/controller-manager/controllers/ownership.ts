import type { Pod, PodTemplateSpec } from '../../api/core/v1.gen.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import type { OwnerReference } from '../../machinery/meta.gen.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import type { Action } from '../runtime/actions.ts';

/** The reference that makes `owner` the controller of an object. */
export const controllerReference = (kind: Kind<any>, owner: KubeObject): OwnerReference => ({
  apiVersion: apiVersionOf(kind),
  kind: kind.kind,
  name: owner.metadata.name!,
  uid: owner.metadata.uid!,
  controller: true,
  blockOwnerDeletion: true,
});

export interface Claim<C> {
  /** Ours, whether before or from now on. */
  objects: C[];
  /** Adoptions and releases that make it so. */
  actions: Action[];
}

/**
 * Who belongs to this owner: what it controls and still selects, and orphans that it selects. What it controls but does not
 * select any more is released. An owner that is being deleted adopts and releases nothing.
 */
export function claim<C extends KubeObject>(
  owner: KubeObject,
  ownerKind: Kind<any>,
  kind: Kind<C>,
  children: { owned: C[]; orphans: C[] },
  selects: (child: C) => boolean,
): Claim<C> {
  const objects: C[] = [];
  const actions: Action[] = [];
  const leaving = !!owner.metadata.deletionTimestamp;
  for (const object of children.owned) {
    if (selects(object)) objects.push(object);
    else if (!leaving) actions.push({ do: 'release', kind, object, owner });
  }
  if (leaving) return { objects, actions };
  for (const object of children.orphans) {
    if (object.metadata.deletionTimestamp || !selects(object)) continue;
    objects.push(object);
    actions.push({ do: 'adopt', kind, object, ownerKind, owner });
  }
  return { objects, actions };
}

/** A pod as the template says, controlled by the owner; its name is made by the server from the owner's. */
export function podFromTemplate(kind: Kind<any>, owner: KubeObject, template: PodTemplateSpec): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const prefix = `${owner.metadata.name}-`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: owner.metadata.namespace,
      generateName: prefix,
      ...(labels ? { labels: { ...labels } } : {}),
      ...(annotations ? { annotations: { ...annotations } } : {}),
      ...(finalizers ? { finalizers: [...finalizers] } : {}),
      ownerReferences: [controllerReference(kind, owner)],
    },
    spec: template.spec!,
  };
}
