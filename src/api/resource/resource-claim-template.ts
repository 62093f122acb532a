import { labelsErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { annotationsErrors } from '../meta.ts';
import { claimSpecErrors, defaultClaimSpec } from './claim-validation.ts';
import type { ResourceClaimTemplate } from './v1.gen.ts';

const SPEC = field('spec');

export const resourceClaimTemplates = kind<ResourceClaimTemplate>({
  facts: 'resource.k8s.io/v1 ResourceClaimTemplate',
  defaults(template) {
    template.spec ??= { spec: {} };
    template.spec.metadata ??= {};
    template.spec.spec ??= {};
    defaultClaimSpec(template.spec.spec);
  },
  validate: ({ spec }) => [
    ...labelsErrors(spec.metadata?.labels, SPEC.child('metadata', 'labels')),
    ...annotationsErrors(spec.metadata?.annotations ?? {}, SPEC.child('metadata', 'annotations')),
    ...claimSpecErrors(spec.spec, SPEC.child('spec')),
  ],
  immutable: ['spec'],
  generation: false,
});
