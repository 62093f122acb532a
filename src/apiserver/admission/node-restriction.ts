import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import type { Node, Pod } from '../../api/core/v1.gen.ts';
import { type AnyObject, equal } from '../../machinery/meta.ts';
import { forbidden } from '../../machinery/status.ts';
import { nodeOf } from '../authz/node.ts';
import type { Caches } from '../cache/caches.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

type Check = (admission: Admission, node: string, caches: Caches) => string | undefined;

/** A node changes only what is its own: its Node, its lease, and the pods bound to it. Source: "NodeRestriction". */
export const nodeRestriction = (caches: Caches): AdmissionPlugin => ({
  name: 'NodeRestriction',
  on: ({ context }) => nodeOf(context.user) !== undefined,
  validate(admission) {
    const { context, subresource } = admission;
    const { kind } = context.served;
    const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
    const check = checks[subresource ? `${resource}/${subresource}` : resource];
    const why = check?.(admission, nodeOf(context.user)!, caches);
    if (why) throw forbidden(kind, context.name ?? admission.object?.metadata.name ?? '', why);
  },
});

const ownNode: Check = (admission, node) => {
  const { operation, object, old } = admission;
  const name = nameOf(admission);
  if (name !== node)
    return `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`;
  const reserved = (labels: Record<string, string> = {}) =>
    Object.entries(labels).filter(([key]) => /^([^/]+\.)?node-restriction\.kubernetes\.io\//.test(key));
  if (object && !equal(reserved(object.metadata.labels), reserved(old?.metadata.labels)))
    return `is not allowed to modify labels: ${reserved(object.metadata.labels).map(([key]) => key)}`;
  if (operation === 'UPDATE' && !equal((object as Node).spec.taints, (old as Node).spec.taints))
    return `node ${JSON.stringify(node)} is not allowed to modify taints`;
  return undefined;
};

const ownPod: Check = ({ operation, object, old, context }, node, caches) => {
  const gone = operation === 'DELETE' || context.subresource === 'eviction';
  if (operation === 'CREATE' && !context.subresource) return mirrorPod(object as Pod, node, caches);
  const pod = (old ?? caches.of(pods)?.get(`/registry/pods/${context.namespace}/${context.name}`)?.object) as
    | Pod
    | undefined;
  if (pod && pod.spec.nodeName !== node)
    return `node ${JSON.stringify(node)} can only ${gone ? 'delete' : 'update'} pods with spec.nodeName set to itself`;
  if (operation === 'UPDATE' && !context.subresource)
    return `node ${JSON.stringify(node)} may not update pods`;
  if (operation === 'UPDATE' && !equal(object!.metadata.labels, pod?.metadata.labels))
    return `node ${JSON.stringify(node)} cannot update labels through pod status`;
  return undefined;
};

function mirrorPod(pod: Pod, node: string, caches: Caches): string | undefined {
  const name = JSON.stringify(node);
  if (!pod.metadata.annotations?.['kubernetes.io/config.mirror'])
    return `pod does not have "kubernetes.io/config.mirror" annotation, node ${name} can only create mirror pods`;
  if (pod.spec.nodeName !== node) return `node ${name} can only create pods with spec.nodeName set to itself`;
  if (pod.spec.serviceAccountName) return `node ${name} can not create pods that reference a service account`;
  const volumes = pod.spec.volumes ?? [];
  if (volumes.some((v) => v.secret || v.configMap || v.persistentVolumeClaim || v.projected))
    return `node ${name} can not create pods that reference API objects`;
  const [owner, ...more] = pod.metadata.ownerReferences ?? [];
  const { uid } = (caches.of(nodes)?.get(`/registry/minions/${node}`)?.object as AnyObject)?.metadata ?? {};
  if (owner && (more.length || owner.kind !== 'Node' || owner.name !== node || owner.uid !== uid))
    return `node ${name} can only create pods with an owner reference set to itself`;
  return undefined;
}

const ownLease: Check = (admission, node) => {
  const { context, object } = admission;
  if ((context.namespace ?? object?.metadata.namespace) !== 'kube-node-lease')
    return 'can only access leases in the "kube-node-lease" system namespace';
  return nameOf(admission) === node
    ? undefined
    : 'can only access node lease with the same name as the requesting node';
};

const ownName: Check = (admission, node) =>
  nameOf(admission) === node
    ? undefined
    : `can only access ${admission.context.plural} with the same name as the requesting node`;

const ownSlice: Check = ({ object, old }, node) =>
  (old ?? object)?.spec?.nodeName === node
    ? undefined
    : 'can only create or change ResourceSlices whose spec.nodeName is the requesting node';

const nameOf = ({ context, object }: Admission): string | undefined => context.name ?? object?.metadata.name;

const checks: Record<string, Check> = {
  nodes: ownNode,
  'nodes/status': ownNode,
  pods: ownPod,
  'pods/status': ownPod,
  'pods/eviction': ownPod,
  'leases.coordination.k8s.io': ownLease,
  'csinodes.storage.k8s.io': ownName,
  'resourceslices.resource.k8s.io': ownSlice,
};
