import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import {
  defaultMatch,
  matchErrors,
  mutatedOperationsErrors,
  paramRefErrors,
  paramText,
  policyNameErrors,
} from './policies.ts';
import type { MutatingAdmissionPolicyBinding } from './v1.gen.ts';
import { nameWarnings } from './webhooks.ts';

const SPEC = field('spec');

export const mutatingAdmissionPolicyBindings = kind<MutatingAdmissionPolicyBinding>({
  facts: 'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding',
  generation: 'spec',
  unconditionalUpdate: false,
  defaults({ spec }) {
    defaultMatch(spec?.matchResources);
  },
  validate: ({ spec }) => [
    ...policyNameErrors(spec.policyName),
    ...paramRefErrors(spec.paramRef),
    ...matchErrors(spec.matchResources, SPEC.child('matchResources')),
    ...mutatedOperationsErrors(spec.matchResources, SPEC.child('matchResources')),
  ],
  warnings: nameWarnings,
  columns: {
    PolicyName: ({ spec }) => spec?.policyName ?? '',
    ParamRef: ({ spec }) => paramText(spec?.paramRef),
  },
});
