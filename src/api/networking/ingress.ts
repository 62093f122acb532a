import { kind } from '../define.ts';
import type { Ingress } from './v1.gen.ts';

export const ingresses = kind<Ingress>({
  facts: 'networking.k8s.io/v1 Ingress',
});
