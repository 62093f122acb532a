import { kind } from '../define.ts';
import type { PersistentVolumeClaim } from './v1.gen.ts';

export const persistentVolumeClaims = kind<PersistentVolumeClaim>({
  facts: 'v1 PersistentVolumeClaim',
});
