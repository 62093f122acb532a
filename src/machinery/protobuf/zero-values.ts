// Where a zero value (0, false, an empty text) says something, and where it says nothing. Protobuf as Kubernetes writes it has every
// plain field even when it is zero; in JSON a zero is there only where the field is required, or where it differs from a field
// that is not there at all (`replicas: 0`, `storageClassName: ""`, `automountServiceAccountToken: false`).
// Source: "Optional vs. Required" in the API conventions, and the reference of each kind.
import type { SchemaTable } from '../schema.ts';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Optional fields whose zero says something, in all types that have them. */
const meaningful = words(`
  $ref activeDeadlineSeconds adminAccess allNodes allocateLoadBalancerNodePorts allowMultipleAllocations
  allowPrivilegeEscalation allowVolumeExpansion appProtocol attachRequired automountServiceAccountToken
  averageUtilization backoffLimit backoffLimitPerIndex bindsToNode blockOwnerDeletion bool
  borrowingLimitPercent cachingMode capacity capacityKey collisionCount completionMode completions
  currentCPUUtilizationPercentage currentHealthy currentVolumeAttributesClassName defaultMode
  deletionGracePeriodSeconds deprecationWarning desiredHealthy disruptionsAllowed distinctAttribute
  enableServiceLinks endPort endpointsNamespace errorCode expectedPods expirationSeconds
  extendedResourceName failedIndexes failedJobsHistoryLimit failurePolicy fsGroup fsGroupChangePolicy
  fsGroupPolicy gmsaCredentialSpec gmsaCredentialSpecName gracePeriodSeconds handSize holderIdentity
  hostProcess hostUsers hostnameOverride ignoreStoreReadErrorWithClusterBreakingPotential immutable
  ingressClassName initiatorName int internalTrafficPolicy ipFamilyPolicy ipMode labelSelectorPath
  leaseDurationSeconds leaseTransitions lendablePercent loadBalancerClass localhostProfile lun managedBy
  manualSelector matchAttribute matchPolicy matchingPrecedence maxExpirationSeconds maxFailedIndexes
  maxItems maxLength maxProperties maximum minDomains minItems minLength minProperties minReplicas minimum
  mode mountPropagation multipleOf nodeAffinityPolicy nodeAllocatableUpdatePeriodSeconds nodeTaintsPolicy
  nominalConcurrencyShares optional optionalOldSelf orphanDependents parallelism parameterNotFoundAction
  perDeviceNodeSelection persistentVolumeName podGroupName podInfoOnMount podReplacementPolicy port
  preemptionPolicy preferredHolder preventPodSchedulingIfMissing privileged procMount
  progressDeadlineSeconds propagationPolicy queueLengthLimit queues readOnlyRootFilesystem ready
  reclaimPolicy recursiveReadOnly recursiveReadOnlyMounts remainingItemCount reportingComponent
  requiresRepublish resourceClaimName resourceClaimTemplateName revisionHistoryLimit runAsGroup
  runAsNonRoot runAsUser runAsUserName runtimeClassName scope seLinuxChangePolicy seLinuxMount
  secretNamespace selectPolicy service serviceAccountTokenInSecrets serviceName serving setHostnameAsFQDN
  shareID shareProcessNamespace signerName stabilizationWindowSeconds start started
  startingDeadlineSeconds stopSignal storageCapacity strategy string succeededCount succeededIndexes
  successfulJobsHistoryLimit supplementalGroupsPolicy suspend targetCPUUtilizationPercentage terminating
  terminatingReplicas terminationGracePeriodSeconds timeZone token tolerationSeconds trafficDistribution
  ttlSecondsAfterFinished unhealthyPodEvictionPolicy userNamespaces volumeAttributesClassName
  volumeBindingMode volumeMode x-kubernetes-list-type x-kubernetes-map-type
  x-kubernetes-preserve-unknown-fields zone
`);

/** The same, where fields of that name in other types are unlike these. */
const meaningfulIn = words(`
  admissionregistration.v1.MutatingWebhook.reinvocationPolicy
  admissionregistration.v1.MutatingWebhook.timeoutSeconds admissionregistration.v1.ServiceReference.path
  admissionregistration.v1.ValidatingWebhook.timeoutSeconds admissionregistration.v1.Validation.reason
  admissionregistration.v1.WebhookClientConfig.url apiextensions.v1.ServiceReference.path
  apiextensions.v1.ValidationRule.reason apiextensions.v1.WebhookClientConfig.url
  apps.v1.DeploymentSpec.replicas apps.v1.ReplicaSetSpec.replicas
  apps.v1.RollingUpdateStatefulSetStrategy.partition apps.v1.StatefulSetSpec.replicas
  apps.v1.StatefulSetStatus.availableReplicas
  autoscaling.v1.HorizontalPodAutoscalerStatus.observedGeneration
  autoscaling.v2.HorizontalPodAutoscalerStatus.observedGeneration
  batch.v1.PodFailurePolicyOnExitCodesRequirement.containerName
  batch.v1.PodFailurePolicyOnPodConditionsPattern.status core.v1.AzureDiskVolumeSource.fsType
  core.v1.AzureDiskVolumeSource.kind core.v1.AzureDiskVolumeSource.readOnly core.v1.CSIVolumeSource.fsType
  core.v1.CSIVolumeSource.readOnly core.v1.ClientIPConfig.timeoutSeconds
  core.v1.ClusterTrustBundleProjection.name core.v1.Container.restartPolicy
  core.v1.EndpointAddress.nodeName core.v1.EphemeralContainer.restartPolicy
  core.v1.EphemeralContainerCommon.name core.v1.EphemeralContainerCommon.restartPolicy
  core.v1.Event.reportingInstance core.v1.HostPathVolumeSource.type core.v1.LocalVolumeSource.fsType
  core.v1.NodeRuntimeHandler.name core.v1.PersistentVolumeClaimSpec.storageClassName
  core.v1.PodDNSConfigOption.value core.v1.PodSpec.priority core.v1.PortStatus.error
  core.v1.ReplicationControllerSpec.replicas core.v1.ResourceHealth.message
  core.v1.TypedLocalObjectReference.apiGroup core.v1.TypedObjectReference.apiGroup
  core.v1.TypedObjectReference.namespace discovery.v1.Endpoint.hostname discovery.v1.Endpoint.nodeName
  discovery.v1.EndpointPort.name discovery.v1.EndpointPort.protocol meta.v1.OwnerReference.controller
  meta.v1.Preconditions.resourceVersion meta.v1.Preconditions.uid
  networking.v1.IngressClassParametersReference.apiGroup
  networking.v1.IngressClassParametersReference.namespace networking.v1.IngressPortStatus.error
  networking.v1.NetworkPolicyPort.protocol rbac.v1.RoleRef.apiGroup resource.v1.Device.nodeName
  resource.v1.DeviceAttribute.version resource.v1.ResourceSliceSpec.nodeName
  scheduling.v1.PriorityClass.value storage.v1.VolumeNodeResources.count
`);

/** Required fields whose zero is left out all the same. */
const leftOut = words(`
  admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.policyName
  authentication.v1.TokenReviewSpec.token core.v1.ContainerRestartRule.action
  core.v1.ContainerRestartRuleOnExitCodes.operator core.v1.ImageVolumeStatus.imageRef
  core.v1.PodCertificateProjection.keyType core.v1.PodCertificateProjection.signerName
  networking.v1.ParentReference.name networking.v1.ParentReference.resource
`);

/** Whether JSON made from protobuf has the field when it is zero. */
export function keepsZero(types: SchemaTable, id: string, name: string): boolean {
  const path = `${id}.${name}`;
  if (types[id]?.fields?.[name]?.req) return !leftOut.has(path);
  return meaningful.has(name) || meaningfulIn.has(path);
}
