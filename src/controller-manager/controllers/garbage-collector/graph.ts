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
  beingDeleted: boolean;
  /** Waits for its dependents to go (the `foregroundDeletion` finalizer). */
  deletesDependents: boolean;
  /** Lets its dependents go free first (the `orphan` finalizer). */
  orphansDependents: boolean;
}

const finalizers = { foreground: 'foregroundDeletion', orphan: 'orphan' };
const none: ReadonlySet<GraphNode> = new Set();

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
 *   Deployment d <- ReplicaSet r <- Pod p    dependentsOf(d) = {r}, dependentsOf(r) = {p}
 *   d goes: r is to be checked, its owner being absent; r goes: p is
 *
 * Events of different kinds come in any order, and owners may be of kinds that nobody watches: dependents are kept by the uid
 * that they name, whether its object has been seen or not.
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<GraphNode>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  dependentsOf(uid: string): ReadonlySet<GraphNode> {
    return this.#dependents.get(uid) ?? none;
  }

  /** All objects of a kind. */
  of(kind: Kind<any>): GraphNode[] {
    return [...this.#nodes.values()].filter((node) => node.kind === kind);
  }

  set(kind: Kind<any>, object: KubeObject): Chores {
    const { uid, namespace, name, ownerReferences = [], deletionTimestamp } = object.metadata;
    const chores: Chores = { check: [], orphan: [] };
    let node = this.#nodes.get(uid!);
    let ownersChanged = !node;
    if (!node) {
      const state = { beingDeleted: false, deletesDependents: false, orphansDependents: false };
      node = { uid: uid!, kind, namespace, name: name!, owners: [], ...state };
      this.#nodes.set(uid!, node);
      // Somebody may have named it wrongly: references to it with other coordinates are to nothing.
      chores.check.push(...this.dependentsOf(uid!));
    }
    const before = new Map(node.owners.map((o) => [o.uid, o]));
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
      this.#link(reference.uid, node);
    }
    for (const owner of before.keys()) {
      ownersChanged = true;
      this.#unlink(owner, node);
      this.#wakeOwner(owner, chores);
    }
    const had = (object.metadata.finalizers ?? []) as string[];
    const wasDeleting = node.beingDeleted;
    node.beingDeleted = !!deletionTimestamp;
    node.deletesDependents = node.beingDeleted && had.includes(finalizers.foreground);
    node.orphansDependents = node.beingDeleted && had.includes(finalizers.orphan);
    if (node.orphansDependents) chores.orphan.push(node);
    if (node.deletesDependents) chores.check.push(...this.dependentsOf(uid!), node);
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
      this.#unlink(owner, node);
      this.#wakeOwner(owner, chores);
    }
    this.#nodes.delete(uid);
    // Dependents still name it: they are checked against the server.
    chores.check.push(...this.dependentsOf(uid));
    return chores;
  }

  #link(owner: string, dependent: GraphNode): void {
    const known = this.#dependents.get(owner);
    if (known) known.add(dependent);
    else this.#dependents.set(owner, new Set([dependent]));
  }

  #unlink(owner: string, dependent: GraphNode): void {
    const known = this.#dependents.get(owner);
    known?.delete(dependent);
    if (known?.size === 0) this.#dependents.delete(owner);
  }

  #wakeOwner(uid: string, chores: Chores): void {
    const owner = this.#nodes.get(uid);
    if (owner?.deletesDependents) chores.check.push(owner);
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
