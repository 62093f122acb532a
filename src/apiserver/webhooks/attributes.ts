// What a request is, as webhooks are told and as rules and conditions ask.
import { type Admission, isDryRun, type TypeName } from '../context.ts';

export interface ResourceName {
  group: string;
  version: string;
  resource: string;
}

export interface Attributes {
  admission: Admission;
  kind: TypeName;
  resource: ResourceName;
  subresource: string;
  /** '' where the server has not made up a name yet. */
  name: string;
  /** Of a Namespace, its own name; '' at the cluster's scope. */
  namespace: string;
  dryRun: boolean;
}

export const isNamespaces = ({ group, resource }: ResourceName): boolean =>
  group === '' && resource === 'namespaces';

export function attributesOf(admission: Admission): Attributes {
  const { context, object, old, subresource, type } = admission;
  const { kind, subresources, group, version, plural, namespaced } = context.served.kind;
  const resource = { group, version, resource: plural };
  const name = context.name ?? object?.metadata?.name ?? old?.metadata?.name ?? '';
  const [subGroup, subVersion, subKind] = subresources[subresource]?.kind.split('/') ?? [];
  const own = subKind && (subGroup || subVersion);
  return {
    admission,
    kind:
      type ?? (own ? { group: subGroup!, version: subVersion!, kind: subKind } : { group, version, kind }),
    resource,
    subresource,
    name,
    namespace: namespaced
      ? (context.namespace ?? object?.metadata?.namespace ?? '')
      : isNamespaces(resource)
        ? name
        : '',
    dryRun: isDryRun(context),
  };
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' };

/** The options of the operation as an object; null for connections, which have none. */
export function optionsObject({ context, operation }: Admission): Record<string, unknown> | null {
  if (operation === 'CONNECT') return null;
  const { dryRun, fieldManager, fieldValidation, gracePeriodSeconds, propagationPolicy, preconditions } =
    context.options;
  const given =
    operation === 'DELETE'
      ? { gracePeriodSeconds, propagationPolicy, preconditions }
      : { fieldManager, fieldValidation };
  return {
    kind: optionKinds[operation],
    apiVersion: 'meta.k8s.io/v1',
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(dryRun ? { dryRun: [dryRun] } : {}),
  };
}

/** The part of an AdmissionReview that tells of the request, without objects: also the variable `request` of expressions. */
export function requestOf(
  attributes: Attributes,
  as: { kind: TypeName; resource: ResourceName } = attributes,
): Record<string, unknown> {
  const { admission, kind, resource, subresource, name, namespace, dryRun } = attributes;
  const { user } = admission.context;
  const { group, version, kind: as1 } = as.kind;
  return {
    kind: { group, version, kind: as1 },
    resource: { ...as.resource },
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: { group: kind.group, version: kind.version, kind: kind.kind },
    requestResource: { ...resource },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation: admission.operation,
    userInfo: {
      username: user.name,
      ...(user.uid ? { uid: user.uid } : {}),
      groups: user.groups,
      ...(user.extra && Object.keys(user.extra).length ? { extra: user.extra } : {}),
    },
    dryRun,
    options: optionsObject(admission),
  };
}
