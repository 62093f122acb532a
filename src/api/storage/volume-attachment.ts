import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { driverNameErrors, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { VolumeAttachment } from './v1.gen.ts';

const SPEC = field('spec');
const SOURCE = SPEC.child('source');
const ONE = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';

function sourceErrors({ spec: { source = {} } }: VolumeAttachment): FieldError[] {
  const { inlineVolumeSpec, persistentVolumeName: name } = source;
  if (!inlineVolumeSpec && name === undefined) return [SOURCE.required(ONE)];
  if (inlineVolumeSpec && name !== undefined) return [SOURCE.forbidden(ONE)];
  if (name === '')
    return [SOURCE.child('persistentVolumeName').required('must specify non empty persistentVolumeName')];
  return name ? problems(dnsSubdomainProblems(name), name, SOURCE.child('persistentVolumeName')) : [];
}

export const volumeAttachments = kind<VolumeAttachment>({
  facts: 'storage.k8s.io/v1 VolumeAttachment',
  generation: false,
  unconditionalUpdate: false,
  prepareCreate(attachment) {
    attachment.status = { attached: false };
  },
  validate: (attachment) => [
    ...driverNameErrors(attachment.spec.attacher, SPEC.child('attacher')),
    ...sourceErrors(attachment),
    ...problems(
      dnsSubdomainProblems(attachment.spec.nodeName ?? ''),
      attachment.spec.nodeName,
      SPEC.child('nodeName'),
    ),
  ],
  validateUpdate: (now, old) => immutable(now.spec, old.spec, SPEC),
  columns: {
    Attacher: ({ spec }) => spec.attacher,
    PV: ({ spec }) => spec.source?.persistentVolumeName ?? '',
    Node: ({ spec }) => spec.nodeName,
    Attached: ({ status }) => status?.attached ?? false,
  },
});
