import { kind } from '../define.ts';
import type { CronJob } from './v1.gen.ts';

export const cronJobs = kind<CronJob>({
  facts: 'batch/v1 CronJob',
});
