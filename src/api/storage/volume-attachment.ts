import { kind } from '../define.ts';
import type { VolumeAttachment } from './v1.gen.ts';

export const volumeAttachments = kind<VolumeAttachment>({
  facts: 'storage.k8s.io/v1 VolumeAttachment',
});
