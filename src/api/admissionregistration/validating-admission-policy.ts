import { kind } from '../define.ts';
import type { ValidatingAdmissionPolicy } from './v1.gen.ts';

export const validatingAdmissionPolicies = kind<ValidatingAdmissionPolicy>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy',
});
