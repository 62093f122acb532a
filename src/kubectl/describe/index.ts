import type { ApiResource } from '../../client/discovery.ts';
import type { Describer } from './describer.ts';

type Loader = () => Promise<Describer>;

/** Describers by kind and group; each file is loaded when one of its kinds is described. */
const describers: Record<string, Loader> = {
  Pod: async () => (await import('./pod.ts')).describePod,
  ReplicationController: async () => (await import('./workloads.ts')).describeReplicationController,
  Secret: async () => (await import('./configuration.ts')).describeSecret,
  Service: async () => (await import('./services.ts')).describeService,
  ServiceAccount: async () => (await import('./configuration.ts')).describeServiceAccount,
  Node: async () => (await import('./node.ts')).describeNode,
  LimitRange: async () => (await import('./configuration.ts')).describeLimitRange,
  ResourceQuota: async () => (await import('./configuration.ts')).describeQuota,
  PersistentVolume: async () => (await import('./storage.ts')).describePersistentVolume,
  PersistentVolumeClaim: async () => (await import('./storage.ts')).describePersistentVolumeClaim,
  Namespace: async () => (await import('./configuration.ts')).describeNamespace,
  Endpoints: async () => (await import('./services.ts')).describeEndpoints,
  ConfigMap: async () => (await import('./configuration.ts')).describeConfigMap,
  'PriorityClass.scheduling.k8s.io': async () => (await import('./policies.ts')).describePriorityClass,
  'EndpointSlice.discovery.k8s.io': async () => (await import('./services.ts')).describeEndpointSlice,
  'HorizontalPodAutoscaler.autoscaling': async () => (await import('./policies.ts')).describeAutoscaler,
  'Ingress.networking.k8s.io': async () => (await import('./services.ts')).describeIngress,
  'IngressClass.networking.k8s.io': async () => (await import('./services.ts')).describeIngressClass,
  'ServiceCIDR.networking.k8s.io': async () => (await import('./services.ts')).describeServiceCidr,
  'IPAddress.networking.k8s.io': async () => (await import('./services.ts')).describeIpAddress,
  'NetworkPolicy.networking.k8s.io': async () => (await import('./policies.ts')).describeNetworkPolicy,
  'Job.batch': async () => (await import('./workloads.ts')).describeJob,
  'CronJob.batch': async () => (await import('./workloads.ts')).describeCronJob,
  'StatefulSet.apps': async () => (await import('./workloads.ts')).describeStatefulSet,
  'Deployment.apps': async () => (await import('./workloads.ts')).describeDeployment,
  'DaemonSet.apps': async () => (await import('./workloads.ts')).describeDaemonSet,
  'ReplicaSet.apps': async () => (await import('./workloads.ts')).describeReplicaSet,
  'CertificateSigningRequest.certificates.k8s.io': async () =>
    (await import('./access.ts')).describeCertificateRequest,
  'StorageClass.storage.k8s.io': async () => (await import('./storage.ts')).describeStorageClass,
  'VolumeAttributesClass.storage.k8s.io': async () =>
    (await import('./storage.ts')).describeVolumeAttributesClass,
  'CSINode.storage.k8s.io': async () => (await import('./storage.ts')).describeCsiNode,
  'PodDisruptionBudget.policy': async () => (await import('./policies.ts')).describePodDisruptionBudget,
  'Role.rbac.authorization.k8s.io': async () => (await import('./access.ts')).describeRole,
  'ClusterRole.rbac.authorization.k8s.io': async () => (await import('./access.ts')).describeRole,
  'RoleBinding.rbac.authorization.k8s.io': async () => (await import('./access.ts')).describeBinding,
  'ClusterRoleBinding.rbac.authorization.k8s.io': async () => (await import('./access.ts')).describeBinding,
};

/** The describer of a kind; one for everything else. */
export async function describerFor({ kind, group }: ApiResource): Promise<Describer> {
  const load = describers[group ? `${kind}.${group}` : kind];
  return load ? load() : (await import('./generic.ts')).describeGeneric;
}
