import { canonicalQuantity } from '../../machinery/quantity.ts';
import { labelSelectorToString } from '../../machinery/selectors.ts';
import { humanDuration } from '../printers/duration.ts';
import { pods, replicaSets } from '../resources.ts';
import { storageClassOf } from './claims.ts';
import {
  begin,
  controllerText,
  type Describer,
  type DescribeTools,
  describeEvents,
  listAll,
} from './describer.ts';
import { type Description, dateText, pairsText } from './description.ts';
import { describePodTemplate, selectorText } from './pod-template.ts';

const hashLabel = 'pod-template-hash';

/** How many pods that this object controls are in each phase. */
async function podsStatus(tools: DescribeTools, object: any, selector: string): Promise<string> {
  const found = await listAll(tools, pods, object.metadata.namespace, { labelSelector: selector });
  const mine = found.filter((pod) =>
    pod.metadata.ownerReferences?.some((o) => o.controller && o.uid === object.metadata.uid),
  );
  const count = (phase: string) => mine.filter((pod) => pod.status?.phase === phase).length;
  return `${count('Running')} Running / ${count('Pending')} Waiting / ${count('Succeeded')} Succeeded / ${count('Failed')} Failed`;
}

function conditions(d: Description, list: any[] | undefined): void {
  if (!list?.length) return;
  d.raw('Conditions:\n  Type\tStatus\tReason\n');
  d.line(1, '----\t------\t------');
  for (const { type, status, reason = '' } of list) d.line(1, `${type} \t${status}\t${reason}`);
}

export const describeDeployment: Describer = async (d, deployment, tools) => {
  const { metadata, spec, status = {} } = deployment;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('CreationTimestamp', dateText(metadata.creationTimestamp));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.field('Selector', labelSelectorToString(spec.selector));
  d.field(
    'Replicas',
    `${spec.replicas ?? 1} desired | ${status.updatedReplicas ?? 0} updated | ${status.replicas ?? 0} total | ${status.availableReplicas ?? 0} available | ${status.unavailableReplicas ?? 0} unavailable`,
  );
  d.field('StrategyType', spec.strategy?.type ?? '');
  d.field('MinReadySeconds', spec.minReadySeconds ?? 0);
  const rolling = spec.strategy?.rollingUpdate;
  if (rolling)
    d.field(
      'RollingUpdateStrategy',
      `${rolling.maxUnavailable} max unavailable, ${rolling.maxSurge} max surge`,
    );
  describePodTemplate(d, spec.template);
  conditions(d, status.conditions);
  const { older, newest } = await replicaSetsOf(deployment, tools);
  if (older.length || newest.length) {
    d.field('OldReplicaSets', replicaSetsText(older));
    d.field('NewReplicaSet', replicaSetsText(newest));
  }
  await describeEvents(d, deployment, tools);
};

const replicaSetsText = (list: any[]): string =>
  list
    .map(
      ({ metadata, spec, status }) =>
        `${metadata.name} (${status?.replicas ?? 0}/${spec.replicas ?? 1} replicas created)`,
    )
    .join(', ') || '<none>';

/** Replica sets of a deployment: the one of its present template, and those of earlier ones. */
export async function replicaSetsOf(
  deployment: any,
  tools: DescribeTools,
): Promise<{ older: any[]; newest: any[] }> {
  const labelSelector = labelSelectorToString(deployment.spec.selector);
  const found = await listAll(tools, replicaSets, deployment.metadata.namespace, { labelSelector });
  const mine = found
    .filter((rs) =>
      rs.metadata.ownerReferences?.some((o) => o.controller && o.uid === deployment.metadata.uid),
    )
    .toSorted((a, b) =>
      a.metadata.creationTimestamp === b.metadata.creationTimestamp
        ? a.metadata.name! < b.metadata.name!
          ? -1
          : 1
        : a.metadata.creationTimestamp! < b.metadata.creationTimestamp!
          ? -1
          : 1,
    );
  const wanted = templateText(deployment.spec.template);
  const newest = mine.find((rs) => templateText(rs.spec.template) === wanted);
  return { newest: newest ? [newest] : [], older: mine.filter((rs) => rs !== newest) };
}

/** A template without the label that tells replica sets apart. */
function templateText(template: any): string {
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {};
  const sorted = (value: any): any =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.keys(value)
              .sort()
              .map((key) => [key, sorted(value[key])]),
          )
        : value;
  return JSON.stringify(
    sorted({ ...template, metadata: { ...template.metadata, creationTimestamp: null, labels } }),
  );
}

export const describeReplicaSet: Describer = async (d, rs, tools) => {
  const { metadata, spec, status = {} } = rs;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('Selector', selectorText(spec.selector));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  const controller = controllerText(rs);
  if (controller) d.field('Controlled By', controller);
  d.field('Replicas', `${status.replicas ?? 0} current / ${spec.replicas ?? 1} desired`);
  d.field('Pods Status', await podsStatus(tools, rs, labelSelectorToString(spec.selector)));
  describePodTemplate(d, spec.template);
  conditions(d, status.conditions);
  await describeEvents(d, rs, tools);
};

export const describeReplicationController: Describer = async (d, rc, tools) => {
  const { metadata, spec, status = {} } = rc;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('Selector', pairsText(spec.selector));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.field('Replicas', `${status.replicas ?? 0} current / ${spec.replicas ?? 1} desired`);
  d.field('Pods Status', await podsStatus(tools, rc, labelSelectorToString({ matchLabels: spec.selector })));
  describePodTemplate(d, spec.template);
  conditions(d, status.conditions);
  await describeEvents(d, rc, tools);
};

export const describeStatefulSet: Describer = async (d, set, tools) => {
  const { metadata, spec, status = {} } = set;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('CreationTimestamp', dateText(metadata.creationTimestamp));
  d.field('Selector', labelSelectorToString(spec.selector));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.field('Replicas', `${spec.replicas ?? 1} desired | ${status.replicas ?? 0} total`);
  d.field('Update Strategy', spec.updateStrategy?.type ?? '');
  const rolling = spec.updateStrategy?.rollingUpdate;
  if (rolling?.partition !== undefined) {
    d.field('Partition', rolling.partition, 1);
    if (rolling.maxUnavailable !== undefined) d.field('MaxUnavailable', rolling.maxUnavailable, 1);
  }
  d.field('Pods Status', await podsStatus(tools, set, labelSelectorToString(spec.selector)));
  describePodTemplate(d, spec.template);
  claimTemplates(d, spec.volumeClaimTemplates ?? []);
  await describeEvents(d, set, tools);
};

function claimTemplates(d: Description, templates: any[]): void {
  if (!templates.length) {
    d.field('Volume Claims', '<none>');
    return;
  }
  d.line(0, 'Volume Claims:');
  for (const claim of templates) {
    const { metadata, spec } = claim;
    d.field('Name', metadata.name, 1);
    d.field('StorageClass', storageClassOf(claim), 1);
    d.labels('Labels', metadata.labels, '  ');
    d.labels('Annotations', metadata.annotations, '  ');
    const storage = spec.resources?.requests?.storage;
    d.field('Capacity', storage === undefined ? '<default>' : canonicalQuantity(storage), 1);
    d.field('Access Modes', `[${(spec.accessModes ?? []).join(' ')}]`, 1);
  }
}

export const describeDaemonSet: Describer = async (d, set, tools) => {
  const { metadata, spec, status = {} } = set;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('Selector', labelSelectorToString(spec.selector));
  d.field('Node-Selector', pairsText(spec.template.spec.nodeSelector));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.line(0, `Desired Number of Nodes Scheduled: ${status.desiredNumberScheduled ?? 0}`);
  d.line(0, `Current Number of Nodes Scheduled: ${status.currentNumberScheduled ?? 0}`);
  d.line(0, `Number of Nodes Scheduled with Up-to-date Pods: ${status.updatedNumberScheduled ?? 0}`);
  d.line(0, `Number of Nodes Scheduled with Available Pods: ${status.numberAvailable ?? 0}`);
  d.line(0, `Number of Nodes Misscheduled: ${status.numberMisscheduled ?? 0}`);
  d.field('Pods Status', await podsStatus(tools, set, labelSelectorToString(spec.selector)));
  describePodTemplate(d, spec.template);
  await describeEvents(d, set, tools);
};

export const describeJob: Describer = async (d, job, tools) => {
  const { metadata, spec, status = {} } = job;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  d.field('Selector', labelSelectorToString(spec.selector));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  const controller = controllerText(job);
  if (controller) d.field('Controlled By', controller);
  if (spec.parallelism !== undefined) d.field('Parallelism', spec.parallelism);
  d.field('Completions', spec.completions ?? '<unset>');
  if (spec.completionMode) d.field('Completion Mode', spec.completionMode);
  if (spec.suspend !== undefined) d.field('Suspend', spec.suspend);
  if (spec.backoffLimit !== undefined) d.field('Backoff Limit', spec.backoffLimit);
  if (spec.ttlSecondsAfterFinished !== undefined)
    d.field('TTL Seconds After Finished', spec.ttlSecondsAfterFinished);
  if (status.startTime) d.field('Start Time', dateText(status.startTime));
  if (status.completionTime) d.field('Completed At', dateText(status.completionTime));
  if (status.startTime && status.completionTime)
    d.field('Duration', humanDuration(Date.parse(status.completionTime) - Date.parse(status.startTime)));
  if (spec.activeDeadlineSeconds !== undefined)
    d.field('Active Deadline Seconds', `${spec.activeDeadlineSeconds}s`);
  const ready = status.ready === undefined ? '' : ` (${status.ready} Ready)`;
  d.field(
    'Pods Statuses',
    `${status.active ?? 0} Active${ready} / ${status.succeeded ?? 0} Succeeded / ${status.failed ?? 0} Failed`,
  );
  if (spec.completionMode === 'Indexed')
    d.field('Completed Indexes', indexesText(status.completedIndexes ?? ''));
  describePodTemplate(d, spec.template);
  await describeEvents(d, job, tools);
};

/** Cut at the first comma after fifty characters. */
function indexesText(indexes: string): string {
  if (!indexes) return '<none>';
  const comma = indexes.indexOf(',', 50);
  return comma < 0 ? indexes : `${indexes.slice(0, comma + 1)}...`;
}

export const describeCronJob: Describer = async (d, cronJob, tools) => {
  const { spec, status = {} } = cronJob;
  begin(d, cronJob);
  d.field('Schedule', spec.schedule);
  d.field('Concurrency Policy', spec.concurrencyPolicy ?? '');
  d.field('Suspend', spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False');
  if (spec.timeZone) d.field('Time Zone', spec.timeZone);
  d.field('Successful Job History Limit', spec.successfulJobsHistoryLimit ?? '<unset>');
  d.field('Failed Job History Limit', spec.failedJobsHistoryLimit ?? '<unset>');
  d.field(
    'Starting Deadline Seconds',
    spec.startingDeadlineSeconds === undefined ? '<unset>' : `${spec.startingDeadlineSeconds}s`,
  );
  const template = spec.jobTemplate.spec;
  d.field('Selector', template.selector ? labelSelectorToString(template.selector) : '<unset>');
  d.field('Parallelism', template.parallelism ?? '<unset>');
  d.field('Completions', template.completions ?? '<unset>');
  if (template.activeDeadlineSeconds !== undefined)
    d.field('Active Deadline Seconds', `${template.activeDeadlineSeconds}s`);
  describePodTemplate(d, template.template);
  d.field('Last Schedule Time', status.lastScheduleTime ? dateText(status.lastScheduleTime) : '<unset>');
  d.field('Active Jobs', (status.active ?? []).map((job: any) => job.name).join(', ') || '<none>');
  await describeEvents(d, cronJob, tools);
};
