import { kind } from '../define.ts';
import type { APIService } from './v1.gen.ts';

export const apiServices = kind<APIService>({
  facts: 'apiregistration.k8s.io/v1 APIService',
});
