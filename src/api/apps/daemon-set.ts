import { kind } from '../define.ts';
import type { DaemonSet } from './v1.gen.ts';

export const daemonSets = kind<DaemonSet>({
  facts: 'apps/v1 DaemonSet',
});
