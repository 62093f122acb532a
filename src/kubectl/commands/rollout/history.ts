// Revisions of what rolls out: replica sets of a deployment, controller revisions of the others.
import type { AnyObject } from '../../../machinery/meta.ts';
import { labelSelectorToString } from '../../../machinery/selectors.ts';
import { replicaSetsOf } from '../../describe/workloads.ts';
import { KubectlError } from '../../errors.ts';
import type { Kube } from '../../kube.ts';
import { controllerRevisions } from '../../resources.ts';
import { builtInType } from '../../schemas.ts';
import type { Info } from '../../targets.ts';

export const changeCause = 'kubernetes.io/change-cause';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';

export interface Revision {
  number: number;
  cause: string;
  /** The replica set, or the object as the revision has it. */
  object: AnyObject;
  template: any;
  /** What a controller revision remembers. */
  data?: any;
}

/** Revisions by their numbers, the oldest first. Throws a KubectlError for kinds that have none. */
export async function revisionsOf(
  kube: Kube,
  info: Info,
  needed: 'history viewer' | 'rollbacker' = 'history viewer',
): Promise<Revision[]> {
  const { kind, group } = info.resource;
  if (group === 'apps' && kind === 'Deployment') return deploymentRevisions(kube, info.object);
  if (group === 'apps' && (kind === 'DaemonSet' || kind === 'StatefulSet'))
    return recordedRevisions(kube, info);
  throw new KubectlError(
    `no ${needed} has been implemented for ${JSON.stringify(group ? `${kind}.${group}` : kind)}`,
  );
}

async function deploymentRevisions(kube: Kube, deployment: AnyObject): Promise<Revision[]> {
  const tools = { kube, nowMs: 0, showEvents: false, chunkSize: 500 };
  const { older, newest } = await replicaSetsOf(deployment, tools);
  return [...older, ...newest]
    .map((rs) => {
      const cause = rs.metadata.annotations?.[changeCause] ?? '';
      const { template } = rs.spec;
      const annotations = { ...template.metadata?.annotations, ...(cause ? { [changeCause]: cause } : {}) };
      return {
        number: Number(rs.metadata.annotations?.[revisionAnnotation] ?? Number.NaN),
        cause,
        object: { apiVersion: 'apps/v1', kind: 'ReplicaSet', ...rs },
        template: { ...template, metadata: { ...template.metadata, annotations } },
      };
    })
    .filter(({ number }) => Number.isInteger(number))
    .sort((a, b) => a.number - b.number);
}

async function recordedRevisions(kube: Kube, { object, resource }: Info): Promise<Revision[]> {
  const labelSelector = labelSelectorToString(object.spec.selector);
  const { items } = await kube.listAll(controllerRevisions, object.metadata.namespace, {
    labelSelector,
    limit: 500,
  });
  const type = (await builtInType(resource))!;
  const { strategicMergePatch } = await import('../../../machinery/patch/strategic.ts');
  return items
    .filter((r) => r.metadata.ownerReferences?.some((o) => o.controller && o.uid === object.metadata.uid))
    .map((revision) => {
      const whole: AnyObject = strategicMergePatch(object, revision.data, type.id, type.schemas);
      return {
        number: revision.revision as number,
        cause: revision.metadata.annotations?.[changeCause] ?? '',
        object: whole,
        template: whole.spec.template,
        data: revision.data,
      };
    })
    .sort((a, b) => a.number - b.number);
}
