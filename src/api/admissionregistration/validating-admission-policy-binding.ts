import { kind } from '../define.ts';
import type { ValidatingAdmissionPolicyBinding } from './v1.gen.ts';

export const validatingAdmissionPolicyBindings = kind<ValidatingAdmissionPolicyBinding>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding',
});
