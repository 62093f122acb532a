import { canonicalQuantity } from '../../machinery/quantity.ts';
import { age } from '../printers/duration.ts';
import { pods } from '../resources.ts';
import { accessModesText, claimLines, storageClassOf } from './claims.ts';
import { begin, type Describer, describeEvents, listAll } from './describer.ts';
import { type Description, dateText, pairsText } from './description.ts';
import { describeVolumeSource } from './volumes.ts';

export const describePersistentVolume: Describer = async (d, volume, tools) => {
  const { metadata, spec, status = {} } = volume;
  begin(d, volume, { namespace: false });
  d.field('Finalizers', `[${(metadata.finalizers ?? []).join(' ')}]`);
  d.field('StorageClass', storageClassOf(volume));
  d.field(
    'Status',
    metadata.deletionTimestamp
      ? `Terminating (lasts ${age(metadata.deletionTimestamp, tools.nowMs)})`
      : (status.phase ?? ''),
  );
  d.field('Claim', spec.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '');
  d.field('Reclaim Policy', spec.persistentVolumeReclaimPolicy ?? '');
  d.field('Access Modes', accessModesText(spec.accessModes));
  if (spec.volumeMode) d.field('VolumeMode', spec.volumeMode);
  d.field('Capacity', canonicalQuantity(spec.capacity?.storage ?? '0'));
  nodeAffinity(d, spec.nodeAffinity);
  d.field('Message', status.message ?? '');
  d.line(0, 'Source:');
  describeVolumeSource(d, spec);
  await describeEvents(d, volume, tools);
};

function nodeAffinity(d: Description, affinity: any): void {
  if (!affinity?.required) {
    d.field('Node Affinity', '<none>');
    return;
  }
  d.field('Node Affinity', '');
  const terms: any[] = affinity.required.nodeSelectorTerms ?? [];
  d.field('Required Terms', terms.length ? '' : '<none>', 1);
  terms.forEach((term, i) => {
    termLines(d, 2, `Term ${i}`, term.matchExpressions ?? [], (e) => e.operator.toLowerCase());
  });
}

function termLines(
  d: Description,
  level: number,
  title: string,
  terms: any[],
  operator: (e: any) => string,
): void {
  const indent = '  '.repeat(level);
  d.raw(`${indent}${title}:\t${terms.length ? '' : '<none>\n'}`);
  terms.forEach((term, i) => {
    const values = term.values?.length ? ` [${term.values.join(', ')}]` : '';
    d.raw(`${i ? `${indent}\t` : ''}${term.key} ${operator(term)}${values}\n`);
  });
}

export const describePersistentVolumeClaim: Describer = async (d, claim, tools) => {
  const { metadata, status = {} } = claim;
  claimLines(d, claim, true, 0, tools.nowMs);
  const all = await listAll(tools, pods, metadata.namespace);
  const owners = new Set(
    (metadata.ownerReferences ?? []).filter((o: any) => o.kind === 'Pod').map((o: any) => o.uid),
  );
  const users = all.filter(
    (pod) =>
      pod.spec.volumes?.some((v: any) => v.persistentVolumeClaim?.claimName === metadata.name) ||
      owners.has(pod.metadata.uid),
  );
  d.list('Used By', users.map((pod) => pod.metadata.name!).sort());
  if (status.conditions?.length) {
    d.line(0, 'Conditions:');
    d.line(1, 'Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage');
    d.line(1, '----\t------\t-----------------\t------------------\t------\t-------');
    for (const c of status.conditions)
      d.line(
        1,
        `${c.type} \t${c.status} \t${dateText(c.lastProbeTime)} \t${dateText(c.lastTransitionTime)} \t${c.reason ?? ''} \t${c.message ?? ''}`,
      );
  }
  await describeEvents(d, claim, tools);
};

const defaultClass = 'storageclass.kubernetes.io/is-default-class';

export const describeStorageClass: Describer = async (d, storageClass, tools) => {
  const { metadata, provisioner, parameters, allowVolumeExpansion, mountOptions = [] } = storageClass;
  d.field('Name', metadata.name);
  d.field('IsDefaultClass', metadata.annotations?.[defaultClass] === 'true' ? 'Yes' : 'No');
  d.field('Annotations', pairsText(metadata.annotations));
  d.field('Provisioner', provisioner);
  d.field('Parameters', pairsText(parameters));
  d.field(
    'AllowVolumeExpansion',
    allowVolumeExpansion === undefined ? '<unset>' : allowVolumeExpansion ? 'True' : 'False',
  );
  if (!mountOptions.length) d.field('MountOptions', '<none>');
  else {
    d.line(0, 'MountOptions:');
    for (const option of mountOptions) d.line(1, option);
  }
  if (storageClass.reclaimPolicy) d.field('ReclaimPolicy', storageClass.reclaimPolicy);
  if (storageClass.volumeBindingMode) d.field('VolumeBindingMode', storageClass.volumeBindingMode);
  const topologies = storageClass.allowedTopologies;
  if (topologies) {
    d.field('AllowedTopologies', topologies.length ? '' : '<none>');
    topologies.forEach((term: any, i: number) => {
      termLines(d, 1, `Term ${i}`, term.matchLabelExpressions ?? [], () => 'in');
    });
  }
  await describeEvents(d, storageClass, tools);
};

export const describeVolumeAttributesClass: Describer = async (d, attributesClass, tools) => {
  d.field('Name', attributesClass.metadata.name);
  d.field('Annotations', pairsText(attributesClass.metadata.annotations));
  d.field('DriverName', attributesClass.driverName);
  d.field('Parameters', pairsText(attributesClass.parameters));
  await describeEvents(d, attributesClass, tools);
};

export const describeCsiNode: Describer = async (d, node, tools) => {
  begin(d, node, { namespace: false });
  d.field('CreationTimestamp', dateText(node.metadata.creationTimestamp));
  d.line(0, 'Spec:');
  if (node.spec?.drivers) {
    d.line(1, 'Drivers:');
    for (const { name, nodeID, allocatable, topologyKeys } of node.spec.drivers) {
      d.line(2, `${name}:`);
      d.field('Node ID', nodeID, 3);
      if (allocatable?.count !== undefined) {
        d.line(3, 'Allocatables:');
        d.field('Count', allocatable.count, 4);
      }
      if (topologyKeys) d.field('Topology Keys', `[${topologyKeys.join(' ')}]`, 3);
    }
  }
  await describeEvents(d, node, tools);
};
