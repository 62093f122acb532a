import type { Job } from './v1.gen.ts';

/** Whether a Job has a condition, with status `True` unless told. */
export const jobCondition = ({ status }: Job, type: string, value = 'True'): boolean =>
  status?.conditions?.some((c) => c.type === type && c.status === value) ?? false;

/** It is done, well or badly: nothing of it will run again. */
export const isJobFinished = (job: Job): boolean =>
  jobCondition(job, 'Complete') || jobCondition(job, 'Failed');
