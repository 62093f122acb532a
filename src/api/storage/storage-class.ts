import { kind } from '../define.ts';
import type { StorageClass } from './v1.gen.ts';

export const storageClasses = kind<StorageClass>({
  facts: 'storage.k8s.io/v1 StorageClass',
});
