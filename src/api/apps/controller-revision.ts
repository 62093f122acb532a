import { kind } from '../define.ts';
import type { ControllerRevision } from './v1.gen.ts';

export const controllerRevisions = kind<ControllerRevision>({
  facts: 'apps/v1 ControllerRevision',
});
