import { kind } from '../define.ts';
import type { MutatingAdmissionPolicyBinding } from './v1.gen.ts';

export const mutatingAdmissionPolicyBindings = kind<MutatingAdmissionPolicyBinding>({
  facts: 'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding',
});
