import { age } from '../printers/duration.ts';
import { describeContainers, describeResources } from './containers.ts';
import { controllerText, type Describer, describeEvents } from './describer.ts';
import { dateText, sortedPairs } from './description.ts';
import { describeSpread, tolerationLines } from './pod-template.ts';
import { qosClass } from './qos.ts';
import { describeVolumes } from './volumes.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';

export const describePod: Describer = async (d, pod, tools) => {
  const { metadata, spec, status = {} } = pod;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  if (spec.priority !== undefined) d.field('Priority', spec.priority);
  if (spec.priorityClassName) d.field('Priority Class Name', spec.priorityClassName);
  if (spec.runtimeClassName) d.field('Runtime Class Name', spec.runtimeClassName);
  if (spec.serviceAccountName) d.field('Service Account', spec.serviceAccountName);
  d.field('Node', spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ''}` : '<none>');
  if (status.startTime) d.field('Start Time', dateText(status.startTime));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  if (metadata.deletionTimestamp && status.phase !== 'Failed' && status.phase !== 'Succeeded') {
    d.field('Status', `Terminating (lasts ${age(metadata.deletionTimestamp, tools.nowMs)})`);
    d.field('Termination Grace Period', `${metadata.deletionGracePeriodSeconds}s`);
  } else d.field('Status', status.phase ?? '');
  if (status.reason) d.field('Reason', status.reason);
  if (status.message) d.field('Message', status.message);
  const seccomp = spec.securityContext?.seccompProfile;
  if (seccomp) {
    d.field('SeccompProfile', seccomp.type);
    if (seccomp.type === 'Localhost') d.field('LocalhostProfile', seccomp.localhostProfile);
  }
  d.field('IP', status.podIP ?? '');
  if (!status.podIPs?.length) d.field('IPs', '<none>');
  else {
    d.line(0, 'IPs:');
    for (const { ip } of status.podIPs) d.field('IP', ip, 1);
  }
  const controller = controllerText(pod);
  if (controller) d.field('Controlled By', controller);
  if (status.nominatedNodeName) d.field('NominatedNodeName', status.nominatedNodeName);
  if (spec.resources) {
    d.line(0, 'Resources:');
    describeResources(d, spec.resources, 1);
  }
  const resolve = (path: string) => fieldText(pod, path);
  if (spec.initContainers?.length)
    describeContainers(
      d,
      'Init Containers',
      spec.initContainers,
      status.initContainerStatuses ?? [],
      resolve,
    );
  describeContainers(d, 'Containers', spec.containers ?? [], status.containerStatuses ?? [], resolve);
  if (spec.ephemeralContainers?.length)
    describeContainers(
      d,
      'Ephemeral Containers',
      spec.ephemeralContainers,
      status.ephemeralContainerStatuses ?? [],
      resolve,
    );
  const conditions: any[] = status.conditions ?? [];
  if (spec.readinessGates?.length) {
    d.raw('Readiness Gates:\n  Type\tStatus\n');
    for (const { conditionType } of spec.readinessGates)
      d.line(
        1,
        `${conditionType} \t${conditions.find((c) => c.type === conditionType)?.status ?? '<none>'} `,
      );
  }
  if (conditions.length) {
    d.raw('Conditions:\n  Type\tStatus\n');
    for (const { type, status: value } of conditions) d.line(1, `${type} \t${value} `);
  }
  describeVolumes(d, spec.volumes);
  d.field('QoS Class', status.qosClass || qosClass(pod));
  d.labels('Node-Selectors', spec.nodeSelector);
  d.list('Tolerations', tolerationLines(spec.tolerations));
  describeSpread(d, spec.topologySpreadConstraints);
  // Events about a static pod carry the uid that its node gave it.
  const uid = metadata.annotations?.[mirrorAnnotation] ?? metadata.uid;
  await describeEvents(d, pod, tools, [{ name: metadata.name, namespace: metadata.namespace, uid }]);
};

/** What the downward API gives for a field of metadata; '' for others. */
function fieldText({ metadata }: any, path: string): string {
  const subscript = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (subscript) return metadata[subscript[1]!]?.[subscript[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
    case 'metadata.namespace':
    case 'metadata.uid':
      return metadata[path.slice('metadata.'.length)] ?? '';
    case 'metadata.labels':
    case 'metadata.annotations':
      return sortedPairs(metadata[path.slice('metadata.'.length)])
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join('\n');
    default:
      return '';
  }
}
