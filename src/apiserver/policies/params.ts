// The objects that a binding gives to its policy: `params`.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
import type { ParamKind, ParamRef } from '../../api/admissionregistration/v1.gen.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import type { Entry } from '../cache/entry.ts';
import type { Registry } from '../registry/registry.ts';
import type { Served } from '../scheme.ts';

/** A policy or a binding that cannot be followed as it stands. */
export class ConfigurationError extends Error {}

/** The kind of a policy's parameters. Throws ConfigurationError where it is not served. */
export function paramsServed({ scheme }: Registry, { apiVersion = '', kind = '' }: ParamKind): Served {
  const served = scheme.kind(apiVersion, kind);
  if (served) return served;
  const name = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  throw new ConfigurationError(`failed to find resource referenced by paramKind: '${name}, Kind=${kind}'`);
}

/**
 * The parameters for a request: one undefined where the policy has none, or the binding names none; [] where nothing is found
 * and that is no reason to refuse. Throws ConfigurationError.
 */
export async function paramsOf(
  registry: Registry,
  served: Served | undefined,
  ref: ParamRef | undefined,
  namespace: string,
): Promise<(AnyObject | undefined)[]> {
  if (!served || !ref) return [undefined];
  const found = await inServedForm(served, candidates(registry, served, ref, namespace));
  if (!found.length && ref.parameterNotFoundAction === 'Deny')
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
  return found;
}

function candidates(registry: Registry, served: Served, ref: ParamRef, requested: string): Entry[] {
  const { kind } = served;
  if (!kind.namespaced && ref.namespace)
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  const namespace = kind.namespaced ? ref.namespace || requested : '';
  if (kind.namespaced && !namespace)
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  const cache = registry.caches.of(served.storage, served.custom);
  if (!cache) return [];
  const prefix = `${cache.prefix}${namespace ? `${namespace}/` : ''}`;
  if (ref.name) {
    const entry = cache.get(prefix + ref.name);
    return entry ? [entry] : [];
  }
  return [...cache.range(prefix)].filter(({ object }) =>
    labelSelectorMatches(ref.selector, object.metadata.labels),
  );
}

async function inServedForm({ kind, view }: Served, entries: Entry[]): Promise<AnyObject[]> {
  const shown = view ? await view.entries(entries) : entries;
  return shown.map(({ object }) =>
    object.apiVersion && object.kind
      ? object
      : { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object },
  );
}
