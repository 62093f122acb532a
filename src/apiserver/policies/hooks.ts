// Policies together with their bindings, as the caches have them now.
import type { ParamRef } from '../../api/admissionregistration/v1.gen.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Caches } from '../cache/caches.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type Constraints, constraintsOf } from './match.ts';

/** A policy, or a binding. */
export interface Policy {
  metadata: { name?: string };
  spec: any;
}

export interface BoundTo {
  name: string;
  /** Undefined: for all that the policy is for. */
  constraints: Constraints | undefined;
  paramRef: ParamRef | undefined;
  validationActions: readonly string[];
}

export interface Hook<C> {
  policy: Policy;
  name: string;
  constraints: Constraints;
  bindings: readonly BoundTo[];
  compiled: C;
}

const bound = ({ metadata, spec }: Policy): BoundTo => ({
  name: metadata.name!,
  constraints: spec.matchResources && constraintsOf(spec.matchResources),
  paramRef: spec.paramRef,
  validationActions: spec.validationActions ?? [],
});

/**
 * Gives the policies that are bound, in the order of their names; looks at them again only after one, or a binding, has changed.
 * A policy is compiled when it is first asked for, and not again before it changes.
 */
export function hooksOf<C>(
  caches: Caches,
  policies: Kind<any>,
  bindings: Kind<any>,
  compile: (policy: Policy) => C,
): () => readonly Hook<C>[] {
  let known: readonly Hook<C>[] = [];
  const compiled = new WeakMap<object, C>();
  const made = new Watched(caches, policies);
  const bindingsMade = new Watched(caches, bindings);
  return () => {
    const changed = made.changed();
    if (!bindingsMade.changed() && !changed) return known;
    const byPolicy = Map.groupBy(bindingsMade.objects(), ({ spec }) => spec.policyName);
    known = made.objects().flatMap((policy) => {
      const { name = '' } = policy.metadata;
      const bindingsOf = byPolicy.get(name);
      if (!bindingsOf || !policy.spec.matchConstraints) return [];
      const found = compiled.get(policy) ?? compile(policy);
      compiled.set(policy, found);
      const constraints = constraintsOf(policy.spec.matchConstraints);
      return [{ policy, name, constraints, bindings: bindingsOf.map(bound), compiled: found }];
    });
    return known;
  };
}

class Watched {
  readonly #caches: Caches;
  readonly #kind: Kind<any>;
  #cache: ResourceCache | undefined;
  #seen = -1;
  constructor(caches: Caches, kind: Kind<any>) {
    this.#caches = caches;
    this.#kind = kind;
  }
  /** Whether something has since it was last asked. */
  changed(): boolean {
    this.#cache ??= this.#caches.of(this.#kind);
    if (!this.#cache || this.#cache.changed === this.#seen) return false;
    this.#seen = this.#cache.changed;
    return true;
  }
  objects(): Policy[] {
    return [...(this.#cache?.entries.values() ?? [])].map((entry) => entry.object as unknown as Policy);
  }
}
