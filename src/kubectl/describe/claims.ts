import { canonicalQuantity } from '../../machinery/quantity.ts';
import { age } from '../printers/duration.ts';
import { type Description, sortedPairs } from './description.ts';

const shortModes: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** `RWO,ROX`. */
export const accessModesText = (modes: string[] | undefined): string =>
  Object.keys(shortModes)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => shortModes[mode])
    .join(',');

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
export const storageClassOf = ({ metadata, spec }: any): string =>
  metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';

/** A claim; of the template of one, only what has a meaning there. */
export function claimLines(d: Description, claim: any, full: boolean, level = 0, nowMs = 0): void {
  const { metadata = {}, spec, status = {} } = claim;
  const field = (label: string, value: unknown) => d.field(label, value, level);
  if (full) {
    field('Name', metadata.name);
    field('Namespace', metadata.namespace);
  }
  field('StorageClass', storageClassOf(claim));
  if (full)
    field(
      'Status',
      metadata.deletionTimestamp
        ? `Terminating (lasts ${age(metadata.deletionTimestamp, nowMs)})`
        : (status.phase ?? ''),
    );
  field('Volume', spec.volumeName ?? '');
  const indent = '  '.repeat(level);
  d.raw(indent);
  d.list(
    'Labels',
    sortedPairs(metadata.labels).map(([key, value]) => `${key}=${value}`),
  );
  d.raw(indent);
  d.annotations('Annotations', metadata.annotations);
  if (full) field('Finalizers', `[${(metadata.finalizers ?? []).join(' ')}]`);
  const bound = Boolean(spec.volumeName);
  field('Capacity', bound ? canonicalQuantity(status.capacity?.storage ?? '0') : '');
  field('Access Modes', bound ? accessModesText(status.accessModes) : '');
  if (spec.volumeMode) field('VolumeMode', spec.volumeMode);
  if (!spec.dataSource) return;
  d.line(level, 'DataSource:');
  if (spec.dataSource.apiGroup) d.field('APIGroup', spec.dataSource.apiGroup, level + 1);
  d.field('Kind', spec.dataSource.kind, level + 1);
  d.field('Name', spec.dataSource.name, level + 1);
}
