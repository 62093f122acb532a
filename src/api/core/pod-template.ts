import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { containersColumns, mapSelectorText } from '../workload-columns.ts';
import { defaultPodSpec } from './pod-spec-defaults.ts';
import { podTemplateErrors } from './pod-spec-validation.ts';
import type { PodTemplate } from './v1.gen.ts';

export const podTemplates = kind<PodTemplate>({
  facts: 'v1 PodTemplate',
  generation: 'spec',
  defaults({ template }) {
    if (template?.spec) defaultPodSpec(template.spec);
  },
  validate: ({ template }) => podTemplateErrors(template, field('template')),
  columns: {
    ...containersColumns<PodTemplate>(({ template }) => template?.spec),
    'Pod Labels': ({ template }) => mapSelectorText(template?.metadata?.labels) || '<none>',
  },
});
