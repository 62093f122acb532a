import { kind } from '../define.ts';
import type { MutatingAdmissionPolicy } from './v1.gen.ts';

export const mutatingAdmissionPolicies = kind<MutatingAdmissionPolicy>({
  facts: 'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy',
});
