// Which requests a webhook, or a policy, is for. Source: "Matching requests: rules" in the documentation of webhooks.

import type { RuleWithOperations } from '../../api/admissionregistration/v1.gen.ts';
import { namespaces } from '../../api/core/namespace.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { type Labels, matchesLabels, type Requirement } from '../../machinery/selectors.ts';
import { notFound } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { TypeName } from '../context.ts';
import { after, type MaybePromise } from '../registry/view.ts';
import type { Scheme, Served } from '../scheme.ts';
import { type Attributes, isNamespaces, type ResourceName } from './attributes.ts';

const has = (list: string[] | undefined, wanted: string): boolean =>
  list?.some((item) => item === '*' || item === wanted) ?? false;

/** Whether a rule is about this operation on this resource. */
export function ruleMatches(
  rule: RuleWithOperations,
  { admission, subresource, namespace }: Attributes,
  resource: ResourceName,
): boolean {
  const { scope = '*' } = rule;
  const cluster = isNamespaces(resource) || namespace === '';
  if (scope !== '*' && (scope === 'Cluster') !== cluster) return false;
  return (
    has(rule.operations, admission.operation) &&
    has(rule.apiGroups, resource.group) &&
    has(rule.apiVersions, resource.version) &&
    (rule.resources ?? []).some((pattern) => {
      const slash = pattern.indexOf('/');
      const [name, sub] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
      return (name === '*' || name === resource.resource) && (sub === '*' || sub === subresource);
    })
  );
}

/** The form in which whoever matched wants to see the request. */
export interface Matched {
  resource: ResourceName;
  kind: TypeName;
  /** Set where it is not the form of the request itself. */
  served?: Served;
}

/**
 * The form in which the first rule that matches wants the request: its own, or, where `equivalent` says so, that of another
 * version or group of the same resource. Undefined when no rule matches.
 */
export function matchRules(
  scheme: Scheme,
  rules: RuleWithOperations[] | undefined,
  attributes: Attributes,
  equivalent: boolean,
): Matched | undefined {
  const { resource, kind } = attributes;
  if (rules?.some((rule) => ruleMatches(rule, attributes, resource))) return { resource, kind };
  if (!equivalent) return undefined;
  const others = equivalents(scheme, attributes);
  for (const rule of rules ?? []) {
    const found = others.find((other) => ruleMatches(rule, attributes, other.resource));
    if (found) return found;
  }
  return undefined;
}

/** Other groups and versions of the resource in which the same objects are to be had. */
function equivalents(
  scheme: Scheme,
  { admission, kind, resource, subresource }: Attributes,
): (Matched & { served: Served })[] {
  const { served: asked } = admission.context;
  return scheme.sharing(asked.storage).flatMap((served) => {
    const { group, version, plural, subresources } = served.kind;
    if (served.kind === asked.kind || (group === resource.group && version === resource.version)) return [];
    if (subresource && !subresources[subresource]) return [];
    const own = kind.group === asked.kind.group && kind.version === asked.kind.version;
    const as = own ? { group, version, kind: served.kind.kind } : kind;
    return [{ resource: { group, version, resource: plural }, kind: as, served }];
  });
}

/** An object of the request's version in that of another that shares its storage. */
export function convertTo(from: Served, to: Served, object: AnyObject): MaybePromise<AnyObject> {
  if (from.view) return after(from.view.to(to.kind, object), (converted) => converted);
  return to.view ? to.view.from(object) : object;
}

/** A selector over the labels of the request's namespace; what is of the cluster is never left out. Throws 404. */
export function namespaceMatches(
  caches: Caches,
  requirements: readonly Requirement[],
  { admission, namespace, resource, subresource }: Attributes,
): boolean {
  if (!requirements.length || (namespace === '' && !isNamespaces(resource))) return true;
  const { operation, object } = admission;
  // One that is being made, or changed, is judged by what it will be.
  if (isNamespaces(resource) && !subresource && (operation === 'CREATE' || operation === 'UPDATE'))
    return matchesLabels(requirements, object?.metadata.labels as Labels);
  const found = caches.of(namespaces as Kind<any>)?.get(`/registry/namespaces/${namespace}`)?.object;
  if (!found) throw notFound(namespaces, namespace);
  return matchesLabels(requirements, found.metadata.labels);
}

/** A selector over the labels of the object, or of what it was. */
export function objectMatches(requirements: readonly Requirement[], { admission }: Attributes): boolean {
  if (!requirements.length) return true;
  const matches = (object: AnyObject | undefined) =>
    object?.metadata !== undefined && matchesLabels(requirements, object.metadata.labels);
  return matches(admission.object) || matches(admission.old);
}
