import { field } from '../../machinery/status.ts';
import { oneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { defaultMatch, matchErrors, paramRefErrors, paramText, policyNameErrors } from './policies.ts';
import type { ValidatingAdmissionPolicyBinding } from './v1.gen.ts';
import { nameWarnings } from './webhooks.ts';

const SPEC = field('spec');
const ACTIONS = SPEC.child('validationActions');

export const validatingAdmissionPolicyBindings = kind<ValidatingAdmissionPolicyBinding>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding',
  generation: 'spec',
  unconditionalUpdate: false,
  defaults({ spec }) {
    defaultMatch(spec?.matchResources);
  },
  validate({ spec }) {
    const actions = spec.validationActions ?? [];
    return [
      ...policyNameErrors(spec.policyName),
      ...paramRefErrors(spec.paramRef),
      ...matchErrors(spec.matchResources, SPEC.child('matchResources')),
      ...actions.flatMap((action, i) => [
        ...oneOf(action, ['Audit', 'Deny', 'Warn'], ACTIONS.child(i)),
        ...(actions.indexOf(action) < i ? [ACTIONS.child(i).duplicate(action)] : []),
      ]),
      ...(actions.includes('Deny') && actions.includes('Warn')
        ? [
            ACTIONS.invalid(
              actions,
              'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
            ),
          ]
        : []),
      ...(actions.length ? [] : [ACTIONS.required('at least one validation action is required')]),
    ];
  },
  warnings: nameWarnings,
  columns: {
    PolicyName: ({ spec }) => spec?.policyName ?? '',
    ParamRef: ({ spec }) => paramText(spec?.paramRef),
  },
});
