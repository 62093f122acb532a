import { kind } from '../define.ts';
import type { Job } from './v1.gen.ts';

export const jobs = kind<Job>({
  facts: 'batch/v1 Job',
});
