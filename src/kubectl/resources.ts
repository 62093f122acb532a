// Resources that commands name themselves: no discovery is needed for them.
import type { ApiResource } from '../client/discovery.ts';

const resource = (
  apiVersion: string,
  kind: string,
  plural: string,
  more: { cluster?: boolean } = {},
): ApiResource => {
  const [version, group = ''] = apiVersion.split('/').reverse() as [string, string?];
  return {
    group,
    version,
    kind,
    plural,
    singular: kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: !more.cluster,
    verbs: [],
    subresources: {},
  };
};
const cluster = { cluster: true };

export const pods = resource('v1', 'Pod', 'pods');
export const services = resource('v1', 'Service', 'services');
export const endpoints = resource('v1', 'Endpoints', 'endpoints');
export const events = resource('v1', 'Event', 'events');
export const configMaps = resource('v1', 'ConfigMap', 'configmaps');
export const secrets = resource('v1', 'Secret', 'secrets');
export const serviceAccounts = resource('v1', 'ServiceAccount', 'serviceaccounts');
export const namespaces = resource('v1', 'Namespace', 'namespaces', cluster);
export const nodes = resource('v1', 'Node', 'nodes', cluster);
export const resourceQuotas = resource('v1', 'ResourceQuota', 'resourcequotas');
export const limitRanges = resource('v1', 'LimitRange', 'limitranges');
export const replicationControllers = resource('v1', 'ReplicationController', 'replicationcontrollers');
export const persistentVolumeClaims = resource('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const persistentVolumes = resource('v1', 'PersistentVolume', 'persistentvolumes', cluster);
export const deployments = resource('apps/v1', 'Deployment', 'deployments');
export const replicaSets = resource('apps/v1', 'ReplicaSet', 'replicasets');
export const statefulSets = resource('apps/v1', 'StatefulSet', 'statefulsets');
export const daemonSets = resource('apps/v1', 'DaemonSet', 'daemonsets');
export const controllerRevisions = resource('apps/v1', 'ControllerRevision', 'controllerrevisions');
export const jobs = resource('batch/v1', 'Job', 'jobs');
export const cronJobs = resource('batch/v1', 'CronJob', 'cronjobs');
export const ingresses = resource('networking.k8s.io/v1', 'Ingress', 'ingresses');
export const ingressClasses = resource('networking.k8s.io/v1', 'IngressClass', 'ingressclasses', cluster);
export const podDisruptionBudgets = resource('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets');
export const roles = resource('rbac.authorization.k8s.io/v1', 'Role', 'roles');
export const roleBindings = resource('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings');
export const clusterRoles = resource('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', cluster);
export const clusterRoleBindings = resource(
  'rbac.authorization.k8s.io/v1',
  'ClusterRoleBinding',
  'clusterrolebindings',
  cluster,
);
export const priorityClasses = resource('scheduling.k8s.io/v1', 'PriorityClass', 'priorityclasses', cluster);
export const horizontalPodAutoscalers = resource(
  'autoscaling/v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
);
export const leases = resource('coordination.k8s.io/v1', 'Lease', 'leases');
export const endpointSlices = resource('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices');
export const certificateSigningRequests = resource(
  'certificates.k8s.io/v1',
  'CertificateSigningRequest',
  'certificatesigningrequests',
  cluster,
);
export const selfSubjectAccessReviews = resource(
  'authorization.k8s.io/v1',
  'SelfSubjectAccessReview',
  'selfsubjectaccessreviews',
  cluster,
);
export const selfSubjectRulesReviews = resource(
  'authorization.k8s.io/v1',
  'SelfSubjectRulesReview',
  'selfsubjectrulesreviews',
  cluster,
);
export const selfSubjectReviews = resource(
  'authentication.k8s.io/v1',
  'SelfSubjectReview',
  'selfsubjectreviews',
  cluster,
);

/** `apps/v1` and `Deployment` of an object of this resource. */
export const typeMeta = ({ group, version, kind }: ApiResource): { apiVersion: string; kind: string } => ({
  apiVersion: group ? `${group}/${version}` : version,
  kind,
});
