// What follows from policies and bindings for one request: each policy that matches, with each binding that does, and each of
// its parameters.
import { namespaces } from '../../api/core/namespace.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isStatusError, notFound } from '../../machinery/status.ts';
import type { Registry } from '../registry/registry.ts';
import type { Served } from '../scheme.ts';
import { type Attributes, isNamespaces, requestOf } from '../webhooks/attributes.ts';
import { convertTo, type Matched } from '../webhooks/match.ts';
import type { Seen } from './activation.ts';
import type { BoundTo, Hook } from './hooks.ts';
import { matches } from './match.ts';
import { ConfigurationError, paramsOf, paramsServed } from './params.ts';

export interface Invocation<C> {
  hook: Hook<C>;
  binding: BoundTo;
  matched: Matched;
  param: AnyObject | undefined;
}

/** A policy, or its binding, that cannot be followed; failurePolicy says what that means. */
export interface Misconfigured<C> {
  hook: Hook<C>;
  binding: BoundTo | undefined;
  message: string;
}

export interface Selected<C> {
  invocations: Invocation<C>[];
  misconfigured: Misconfigured<C>[];
}

export async function select<C>(
  registry: Registry,
  hooks: readonly Hook<C>[],
  attributes: Attributes,
): Promise<Selected<C>> {
  const invocations: Invocation<C>[] = [];
  const misconfigured: Misconfigured<C>[] = [];
  /** Runs it; what is wrong with the configuration is noted, and the rest goes on. */
  const noting = async <T>(
    hook: Hook<C>,
    binding: BoundTo | undefined,
    run: () => T | Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ConfigurationError) && !isStatusError(error)) throw error;
      const what = binding ? 'binding' : 'policy';
      misconfigured.push({ hook, binding, message: `failed to configure ${what}: ${error.message}` });
      return undefined;
    }
  };
  for (const hook of hooks) {
    const matched = await noting(hook, undefined, () => matches(registry, hook.constraints, attributes));
    if (!matched) continue;
    const { paramKind } = hook.policy.spec;
    const params = paramKind
      ? await noting(hook, undefined, () => paramsServed(registry, paramKind))
      : undefined;
    if (paramKind && !params) continue;
    for (const binding of hook.bindings) {
      const { constraints, paramRef } = binding;
      const is = await noting(
        hook,
        binding,
        () => !constraints || matches(registry, constraints, attributes) !== undefined,
      );
      if (!is) continue;
      const found = await noting(hook, binding, () =>
        paramsOf(registry, params as Served | undefined, paramRef, attributes.namespace),
      );
      for (const param of found ?? []) invocations.push({ hook, binding, matched, param });
    }
  }
  return { invocations, misconfigured };
}

/** What the expressions see of a request, in the form that the policy wants, but for authorization. Throws 404. */
export async function seenBy(
  registry: Registry,
  attributes: Attributes,
  matched: Matched,
  params: AnyObject | undefined,
): Promise<Seen> {
  const { object, old, context, type } = attributes.admission;
  const { served } = matched;
  const convert = async (given: AnyObject | undefined) =>
    given && served && !type ? await convertTo(context.served, served, given) : given;
  return {
    object: await convert(object),
    oldObject: await convert(old),
    request: requestOf(attributes, matched),
    params,
    namespace: namespaceOf(registry, attributes),
  };
}

/** The namespace of the request; of a namespace itself there is none. Throws 404. */
function namespaceOf({ caches }: Registry, { namespace, resource }: Attributes): AnyObject | undefined {
  if (!namespace || isNamespaces(resource)) return undefined;
  const found = caches.of(namespaces as Kind<any>)?.get(`/registry/namespaces/${namespace}`)?.object;
  if (!found) throw notFound(namespaces, namespace);
  return found;
}
