import type { Controller } from '../runtime/environment.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { cronJobController } from './cron-job.ts';
import { daemonSetController } from './daemon-set/daemon-set.ts';
import { deploymentController } from './deployment/deployment.ts';
import { disruptionController } from './disruption.ts';
import { endpointSliceController } from './endpoints/endpoint-slice.ts';
import { endpointsController } from './endpoints/endpoints.ts';
import { endpointSliceMirroringController } from './endpoints/mirroring.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { jobController } from './job/job.ts';
import { ttlAfterFinishedController } from './job/ttl.ts';
import { namespaceController } from './namespace/namespace.ts';
import { nodeIpamController } from './nodes/ipam.ts';
import { nodeLifecycleController } from './nodes/lifecycle.ts';
import { taintEvictionController } from './nodes/taint-eviction.ts';
import { podGarbageCollector } from './pod-garbage-collector.ts';
import { replicaSetController } from './replica-set.ts';
import { replicationControllerController } from './replication-controller.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { rootCAPublisher } from './root-ca-publisher.ts';
import { serviceAccountController } from './service-account.ts';
import { serviceAccountTokenController } from './service-account-token.ts';
import { serviceCIDRController } from './service-cidr.ts';
import { statefulSetController } from './stateful-set/stateful-set.ts';
import { persistentVolumeBinder } from './volumes/binder.ts';
import { ephemeralVolumeController } from './volumes/ephemeral.ts';
import { claimProtectionController, volumeProtectionController } from './volumes/protection.ts';

/** All controllers, in the order in which they start. */
export const controllers: Controller[] = [
  // What a namespace needs before pods can be in it.
  serviceAccountController,
  rootCAPublisher,
  serviceAccountTokenController,
  namespaceController,
  garbageCollector,
  resourceQuotaController,
  clusterRoleAggregationController,
  // Workloads.
  deploymentController,
  replicaSetController,
  replicationControllerController,
  daemonSetController,
  statefulSetController,
  jobController,
  cronJobController,
  ttlAfterFinishedController,
  disruptionController,
  // Nodes, and pods on them.
  nodeIpamController,
  nodeLifecycleController,
  taintEvictionController,
  podGarbageCollector,
  // Services.
  serviceCIDRController,
  endpointsController,
  endpointSliceController,
  endpointSliceMirroringController,
  // Storage.
  persistentVolumeBinder,
  ephemeralVolumeController,
  claimProtectionController,
  volumeProtectionController,
];
