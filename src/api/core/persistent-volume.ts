import { kind } from '../define.ts';
import type { PersistentVolume } from './v1.gen.ts';

export const persistentVolumes = kind<PersistentVolume>({
  facts: 'v1 PersistentVolume',
});
