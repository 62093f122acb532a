import { kind } from '../define.ts';
import type { ComponentStatus } from './v1.gen.ts';

const healthy = ({ conditions = [] }: ComponentStatus) => conditions.find((c) => c.type === 'Healthy');

export const componentStatuses = kind<ComponentStatus>({
  facts: 'v1 ComponentStatus',
  columns: {
    Status: (component) => (healthy(component)?.status === 'True' ? 'Healthy' : 'Unhealthy'),
    Message: (component) => healthy(component)?.message ?? '',
    Error: (component) => healthy(component)?.error ?? '',
  },
});
