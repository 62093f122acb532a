// Nobody reads through a policy what he may not read himself: who writes one that has parameters, or gives it some, must be
// allowed to get them. Source: "Parameter resources" in the documentation of admission policies.
import { mutatingAdmissionPolicies } from '../../api/admissionregistration/mutating-admission-policy.ts';
import type { ParamKind, ParamRef } from '../../api/admissionregistration/v1.gen.ts';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import type { Kind } from '../../machinery/kind.ts';
import { type AnyObject, equal } from '../../machinery/meta.ts';
import { field, invalid } from '../../machinery/status.ts';
import type { Admission, User } from '../context.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';

/** Of a binding, the kind of its policy. */
const policiesOf: Record<string, Kind<any>> = {
  ValidatingAdmissionPolicyBinding: validatingAdmissionPolicies,
  MutatingAdmissionPolicyBinding: mutatingAdmissionPolicies,
};

export const parameterAccess = (registry: Registry): AdmissionPlugin => ({
  name: 'PolicyParameterAccess',
  on: ({ context, operation, object, subresource }) =>
    context.served.kind.group === 'admissionregistration.k8s.io' &&
    (operation === 'CREATE' || operation === 'UPDATE') &&
    !subresource &&
    object?.spec !== undefined &&
    !context.user.groups.includes('system:masters'),
  validate(admission) {
    const { kind } = admission.context.served;
    const why = policiesOf[kind.kind]
      ? bindingProblem(registry, admission)
      : policyProblem(registry, admission);
    if (!why) return;
    const at = field('spec', policiesOf[kind.kind] ? 'paramRef' : 'paramKind');
    throw invalid(kind, admission.object!.metadata.name!, [at.forbidden(why)]);
  },
});

function policyProblem(
  { scheme, authorizer }: Registry,
  { context, object, old }: Admission,
): string | undefined {
  const { paramKind } = (object as any).spec as { paramKind?: ParamKind };
  if (!paramKind || equal(paramKind, (old as any)?.spec.paramKind)) return undefined;
  const { user } = context;
  const resource = resourceOf(scheme, paramKind);
  if (authorizer.authorize({ user, verb: 'get', ...resource, name: '*', namespace: '*' })) return undefined;
  const which = `(kind=${paramKind.kind}, apiVersion=${paramKind.apiVersion})`;
  return `user ${shown(user)} must have "get" permission on all objects of the referenced paramKind ${which}`;
}

interface BindingSpec {
  policyName?: string;
  paramRef?: ParamRef;
}

function bindingProblem(registry: Registry, { context, object, old }: Admission): string | undefined {
  const { policyName = '', paramRef } = (object as any).spec as BindingSpec;
  const was = (old as any)?.spec as BindingSpec | undefined;
  if (!paramRef || (was && equal(paramRef, was.paramRef) && policyName === was.policyName)) return undefined;
  const { user, served } = context;
  const policies = policiesOf[served.kind.kind]!;
  const prefix = `/registry/${policies.plural}/`;
  const policy = registry.caches.of(policies)?.get(prefix + policyName)?.object as AnyObject | undefined;
  const { paramKind } = (policy as any)?.spec ?? {};
  const resource = paramKind ? resourceOf(registry.scheme, paramKind) : everything;
  const { name, namespace } = paramRef;
  const verb = name ? 'get' : 'list';
  const asked = { ...resource, name: name || undefined, namespace: namespace || undefined };
  if (registry.authorizer.authorize({ user, verb, ...asked })) return undefined;
  const lacks = `user ${shown(user)} does not have ${JSON.stringify(verb)} permission`;
  const most = `to determine minimum required permissions and ${lacks} for all groups, versions and resources`;
  if (!policy) return `unable to get policy ${policyName} ${most}`;
  if (resource.resource === '*' && paramKind)
    return `unable to resolve paramKind &{${paramKind.apiVersion} ${paramKind.kind}} ${most}`;
  return `${lacks} on the object referenced by paramRef`;
}

const everything = { group: '*', resource: '*' };

function resourceOf(scheme: Registry['scheme'], { apiVersion = '', kind = '' }: ParamKind) {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : '';
  return { group, resource: scheme.kind(apiVersion, kind)?.kind.plural ?? '*' };
}

/** As Go prints a user. */
const shown = ({ name, uid = '', groups, extra = {} }: User): string =>
  `&{${name} ${uid} [${groups.join(' ')}] map[${Object.entries(extra)
    .map(([key, values]) => `${key}:[${values.join(' ')}]`)
    .join(' ')}]}`;
