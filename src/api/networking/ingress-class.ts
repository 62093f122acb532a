import { kind } from '../define.ts';
import type { IngressClass } from './v1.gen.ts';

export const ingressClasses = kind<IngressClass>({
  facts: 'networking.k8s.io/v1 IngressClass',
});
