import { kind } from '../define.ts';
import type { ConfigMap } from './v1.gen.ts';

export const configMaps = kind<ConfigMap>({
  facts: 'v1 ConfigMap',
});
