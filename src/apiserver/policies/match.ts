// Which requests a policy, or a binding, is for. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import type { MatchResources, NamedRuleWithOperations } from '../../api/admissionregistration/v1.gen.ts';
import { labelSelectorRequirements, type Requirement } from '../../machinery/selectors.ts';
import type { Registry } from '../registry/registry.ts';
import type { Attributes } from '../webhooks/attributes.ts';
import { type Matched, matchRules, namespaceMatches, objectMatches } from '../webhooks/match.ts';

export interface Constraints {
  match: MatchResources;
  namespaces: Requirement[];
  objects: Requirement[];
}

export const constraintsOf = (match: MatchResources): Constraints => ({
  match,
  namespaces: labelSelectorRequirements(match.namespaceSelector ?? {}),
  objects: labelSelectorRequirements(match.objectSelector ?? {}),
});

const exempt = new Set([
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings',
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);
/** Policies and bindings are not themselves asked about: nobody could take a bad one away. Nor is who is who, and may what. */
export const isExempt = ({ group, plural }: { group: string; plural: string }): boolean =>
  exempt.has(`${group}/${plural}`);

/** Rules that name objects are for those alone. */
function namedRules(rules: NamedRuleWithOperations[] | undefined, name: string): NamedRuleWithOperations[] {
  return (rules ?? []).filter(({ resourceNames }) => !resourceNames?.length || resourceNames.includes(name));
}

/** The form in which a policy wants the request; undefined when it is not for it. Throws 404 for a namespace that is gone. */
export function matches(
  { caches, scheme }: Registry,
  { match, namespaces, objects }: Constraints,
  attributes: Attributes,
): Matched | undefined {
  const { resource, kind, name } = attributes;
  const equivalent = match.matchPolicy !== 'Exact';
  const rules = match.resourceRules;
  const found = rules?.length
    ? matchRules(scheme, namedRules(rules, name), attributes, equivalent)
    : { resource, kind };
  if (!found || !objectMatches(objects, attributes)) return undefined;
  const excluded = namedRules(match.excludeResourceRules, name);
  if (excluded.length && matchRules(scheme, excluded, attributes, equivalent)) return undefined;
  return namespaceMatches(caches, namespaces, attributes) ? found : undefined;
}
