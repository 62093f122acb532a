import type { Kind } from '../../../machinery/kind.ts';
import type { OwnerReference } from '../../../machinery/meta.gen.ts';
import type { KubeObject } from '../../../machinery/meta.ts';

/** An object, as the garbage collector sees it. */
export interface GraphNode {
  uid: string;
  kind: Kind<any>;
  namespace: string | undefined;
  name: string;
  owners: OwnerReference[];
  dependents: Set<GraphNode>;
  /** Known only because somebody names it as owner; whether it is there has to be asked. */
  virtual: boolean;
  beingDeleted: boolean;
  /** Waits for its dependents to go (the `foregroundDeletion` finalizer). */
  deletesDependents: boolean;
  /** Lets its dependents go free first (the `orphan` finalizer). */
  orphansDependents: boolean;
}

const finalizers = { foreground: 'foregroundDeletion', orphan: 'orphan' };

/** What a change of an object calls for. */
export interface Chores {
  /** May have to be deleted, or to lose references. */
  check: GraphNode[];
  /** Must set its dependents free. */
  orphan: GraphNode[];
}

/**
 * Who owns whom, by uid, over all kinds.
 *
 *   Deployment d <- ReplicaSet r <- Pod p    d.dependents = {r}, r.dependents = {p}
 *   d goes: r is to be checked, its owner being absent; r goes: p is
 *
 * Events of different kinds come in any order: an owner that nobody has seen yet stands in as a virtual node.
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #kindOf: (apiVersion: string, kind: string) => Kind<any> | undefined;

  constructor(kindOf: (apiVersion: string, kind: string) => Kind<any> | undefined) {
    this.#kindOf = kindOf;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  set(kind: Kind<any>, object: KubeObject): Chores {
    const { uid, namespace, name, ownerReferences = [], deletionTimestamp } = object.metadata;
    const chores: Chores = { check: [], orphan: [] };
    let node = this.#nodes.get(uid!);
    const isNew = !node || node.virtual;
    if (!node) {
      node = this.#blank(uid!, kind, namespace, name!);
      this.#nodes.set(uid!, node);
    } else if (node.virtual) {
      // Somebody may have named it wrongly; what it is is known now.
      Object.assign(node, { kind, namespace, name, virtual: false });
      // References to it with other coordinates are to nothing.
      chores.check.push(...node.dependents);
    }
    const before = new Map(node.owners.map((o) => [o.uid, o]));
    let ownersChanged = isNew;
    node.owners = ownerReferences;
    for (const reference of ownerReferences) {
      const old = before.get(reference.uid);
      before.delete(reference.uid);
      if (old) {
        // A dependent that does not block any more may be what its owner waited for.
        if (old.blockOwnerDeletion && !reference.blockOwnerDeletion) this.#wakeOwner(reference.uid, chores);
        continue;
      }
      ownersChanged = true;
      this.#ownerNode(reference, node)?.dependents.add(node);
    }
    for (const uid of before.keys()) {
      ownersChanged = true;
      this.#nodes.get(uid)?.dependents.delete(node);
      this.#wakeOwner(uid, chores);
      this.#dropIfUnused(uid);
    }
    const had = (object.metadata.finalizers ?? []) as string[];
    const wasDeleting = node.beingDeleted;
    node.beingDeleted = !!deletionTimestamp;
    node.deletesDependents = node.beingDeleted && had.includes(finalizers.foreground);
    node.orphansDependents = node.beingDeleted && had.includes(finalizers.orphan);
    if (node.orphansDependents) chores.orphan.push(node);
    if (node.deletesDependents) chores.check.push(...node.dependents, node);
    if (ownersChanged && node.owners.length > 0) chores.check.push(node);
    if (!wasDeleting && node.beingDeleted)
      for (const { uid: owner } of node.owners) this.#wakeOwner(owner, chores);
    return chores;
  }

  remove(uid: string): Chores {
    const chores: Chores = { check: [], orphan: [] };
    const node = this.#nodes.get(uid);
    if (!node) return chores;
    for (const { uid: owner } of node.owners) {
      this.#nodes.get(owner)?.dependents.delete(node);
      this.#wakeOwner(owner, chores);
      this.#dropIfUnused(owner);
    }
    this.#nodes.delete(uid);
    chores.check.push(...node.dependents);
    // Dependents still name it: they are checked against the server.
    if (node.dependents.size > 0) {
      const ghost = this.#blank(uid, node.kind, node.namespace, node.name);
      ghost.virtual = true;
      for (const dependent of node.dependents) ghost.dependents.add(dependent);
      this.#nodes.set(uid, ghost);
    }
    return chores;
  }

  #blank(uid: string, kind: Kind<any>, namespace: string | undefined, name: string): GraphNode {
    const state = { virtual: false, beingDeleted: false, deletesDependents: false, orphansDependents: false };
    return { uid, kind, namespace, name, owners: [], dependents: new Set(), ...state };
  }

  #ownerNode(reference: OwnerReference, dependent: GraphNode): GraphNode | undefined {
    const known = this.#nodes.get(reference.uid);
    if (known) return known;
    const kind = this.#kindOf(reference.apiVersion, reference.kind);
    if (!kind) return undefined;
    const node = this.#blank(
      reference.uid,
      kind,
      kind.namespaced ? dependent.namespace : undefined,
      reference.name,
    );
    node.virtual = true;
    this.#nodes.set(reference.uid, node);
    return node;
  }

  #wakeOwner(uid: string, chores: Chores): void {
    const owner = this.#nodes.get(uid);
    if (owner?.deletesDependents) chores.check.push(owner);
  }

  #dropIfUnused(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node?.virtual && node.dependents.size === 0) this.#nodes.delete(uid);
  }
}

/** `apps` of `apps/v1`; '' of `v1`. */
export const groupOf = (apiVersion: string): string => apiVersion.split('/').at(-2) ?? '';

/** Whether a reference means this node: uid and coordinates agree. */
export function refersTo(reference: OwnerReference, dependent: GraphNode, owner: GraphNode): boolean {
  return (
    reference.uid === owner.uid &&
    reference.kind === owner.kind.kind &&
    groupOf(reference.apiVersion) === owner.kind.group &&
    reference.name === owner.name &&
    (owner.namespace === undefined || owner.namespace === dependent.namespace)
  );
}
