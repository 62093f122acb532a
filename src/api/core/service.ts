import { kind } from '../define.ts';
import type { Service } from './v1.gen.ts';

export const services = kind<Service>({
  facts: 'v1 Service',
});
