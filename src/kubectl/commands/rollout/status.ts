import type { AnyObject } from '../../../machinery/meta.ts';
import { KubectlError } from '../../errors.ts';
import { revisionAnnotation } from './history.ts';

export interface RolloutStatus {
  text: string;
  done: boolean;
}

const doing = (text: string): RolloutStatus => ({ text: `${text}\n`, done: false });
const finished = (text: string): RolloutStatus => ({ text: `${text}\n`, done: true });
const quoted = (object: AnyObject): string => JSON.stringify(object.metadata.name);

/** How far a rollout is. Throws a KubectlError where it failed, or cannot be followed. */
export function rolloutStatus(object: AnyObject, revision: number): RolloutStatus {
  switch (object.kind) {
    case 'Deployment':
      return deploymentStatus(object, revision);
    case 'DaemonSet':
      return daemonSetStatus(object);
    case 'StatefulSet':
      return statefulSetStatus(object);
    default:
      throw new KubectlError(`no status viewer has been implemented for ${object.kind}`);
  }
}

function deploymentStatus(deployment: AnyObject, revision: number): RolloutStatus {
  const { metadata, spec, status = {} } = deployment;
  if (revision > 0) {
    const running = Number(metadata.annotations?.[revisionAnnotation] ?? 0);
    if (running !== revision)
      throw new KubectlError(
        `desired revision (${revision}) is different from the running revision (${running})`,
      );
  }
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0))
    return doing('Waiting for deployment spec update to be observed...');
  const progressing = (status.conditions ?? []).find((c: any) => c.type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    throw new KubectlError(`deployment ${quoted(deployment)} exceeded its progress deadline`);
  const waiting = `Waiting for deployment ${quoted(deployment)} rollout to finish:`;
  const { replicas = 0, updatedReplicas: updated = 0, availableReplicas: available = 0 } = status;
  if (spec.replicas !== undefined && updated < spec.replicas)
    return doing(`${waiting} ${updated} out of ${spec.replicas} new replicas have been updated...`);
  if (replicas > updated)
    return doing(`${waiting} ${replicas - updated} old replicas are pending termination...`);
  if (available < updated)
    return doing(`${waiting} ${available} of ${updated} updated replicas are available...`);
  return finished(`deployment ${quoted(deployment)} successfully rolled out`);
}

const onlyRolling = 'rollout status is only available for RollingUpdate strategy type';

function daemonSetStatus(set: AnyObject): RolloutStatus {
  const { metadata, spec, status = {} } = set;
  if (spec.updateStrategy?.type !== 'RollingUpdate') throw new KubectlError(onlyRolling);
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0))
    return doing('Waiting for daemon set spec update to be observed...');
  const {
    desiredNumberScheduled: desired = 0,
    updatedNumberScheduled: updated = 0,
    numberAvailable = 0,
  } = status;
  const waiting = `Waiting for daemon set ${quoted(set)} rollout to finish:`;
  if (updated < desired)
    return doing(`${waiting} ${updated} out of ${desired} new pods have been updated...`);
  if (numberAvailable < desired)
    return doing(`${waiting} ${numberAvailable} of ${desired} updated pods are available...`);
  return finished(`daemon set ${quoted(set)} successfully rolled out`);
}

function statefulSetStatus(set: AnyObject): RolloutStatus {
  const { metadata, spec, status = {} } = set;
  if (spec.updateStrategy?.type !== 'RollingUpdate') throw new KubectlError(onlyRolling);
  if (!status.observedGeneration || (metadata.generation ?? 0) > status.observedGeneration)
    return doing('Waiting for statefulset spec update to be observed...');
  const {
    readyReplicas = 0,
    updatedReplicas = 0,
    currentReplicas = 0,
    updateRevision,
    currentRevision,
  } = status;
  if (spec.replicas !== undefined && readyReplicas < spec.replicas)
    return doing(`Waiting for ${spec.replicas - readyReplicas} pods to be ready...`);
  const rolling = spec.updateStrategy.rollingUpdate;
  if (rolling) {
    if (spec.replicas !== undefined && rolling.partition !== undefined) {
      const wanted = spec.replicas - rolling.partition;
      if (updatedReplicas < wanted)
        return doing(
          `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${wanted} new pods have been updated...`,
        );
    }
    return finished(`partitioned roll out complete: ${updatedReplicas} new pods have been updated...`);
  }
  if (updateRevision !== currentRevision)
    return doing(
      `waiting for statefulset rolling update to complete ${updatedReplicas} pods at revision ${updateRevision}...`,
    );
  return finished(
    `statefulset rolling update complete ${currentReplicas} pods at revision ${currentRevision}...`,
  );
}
