// References to fields of the pod and to resources of its containers: in the environment and in volumes.
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import type { ObjectFieldSelector, ResourceFieldSelector } from './v1.gen.ts';

const fieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const volumeFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const containerResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

/** A reference to a field of the pod: in the environment, or (`volume`) in a downward API volume. */
export function fieldRefErrors(ref: ObjectFieldSelector, volume: boolean, path: FieldPath): FieldError[] {
  if (!ref.apiVersion) return [path.child('apiVersion').required()];
  if (!ref.fieldPath) return [path.child('fieldPath').required()];
  const subscript = /^metadata\.(annotations|labels)\['(.*)'\]$/.test(ref.fieldPath);
  const known = volume ? volumeFieldPaths : fieldPaths;
  if (subscript || known.includes(ref.fieldPath)) return [];
  if (/\['.*'\]$/.test(ref.fieldPath)) return [path.invalid(ref.fieldPath, 'does not support subscript')];
  const readable = [...fieldPaths, ...volumeFieldPaths].includes(ref.fieldPath);
  return readable
    ? [path.child('fieldPath').notSupported(ref.fieldPath, known)]
    : [
        path
          .child('fieldPath')
          .invalid(ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`),
      ];
}

export function resourceFieldRefErrors(
  ref: ResourceFieldSelector,
  volume: boolean,
  path: FieldPath,
): FieldError[] {
  if (volume && !ref.containerName) return [path.child('containerName').required()];
  if (!ref.resource) return [path.child('resource').required()];
  const known =
    containerResources.includes(ref.resource) || /^(requests|limits)\.hugepages-/.test(ref.resource);
  return known ? [] : [path.child('resource').notSupported(ref.resource, containerResources)];
}
