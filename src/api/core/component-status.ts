import { kind } from '../define.ts';
import type { ComponentStatus } from './v1.gen.ts';

export const componentStatuses = kind<ComponentStatus>({
  facts: 'v1 ComponentStatus',
});
