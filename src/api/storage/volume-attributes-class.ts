import { kind } from '../define.ts';
import type { VolumeAttributesClass } from './v1.gen.ts';

export const volumeAttributesClasses = kind<VolumeAttributesClass>({
  facts: 'storage.k8s.io/v1 VolumeAttributesClass',
});
