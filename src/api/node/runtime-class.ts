import { dnsLabelProblems } from '../../machinery/names.ts';
import { labelsErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { present, problems } from '../checks.ts';
import { resourceNameErrors } from '../core/resource-validation.ts';
import { tolerationsErrors } from '../core/scheduling-validation.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { RuntimeClass } from './v1.gen.ts';

export const runtimeClasses = kind<RuntimeClass>({
  facts: 'node.k8s.io/v1 RuntimeClass',
  createOnUpdate: true,
  validate: ({ handler, overhead, scheduling }) => [
    ...(handler
      ? problems(dnsLabelProblems(handler), handler, field('handler'))
      : present(handler, field('handler'))),
    ...Object.keys(overhead?.podFixed ?? {}).flatMap((name) =>
      resourceNameErrors(name, field('overhead', 'podFixed').key(name)),
    ),
    ...labelsErrors(scheduling?.nodeSelector, field('scheduling', 'nodeSelector')),
    ...tolerationsErrors(scheduling?.tolerations, field('scheduling', 'tolerations')),
  ],
  validateUpdate: (now, old) => immutable(now.handler, old.handler, field('handler')),
  columns: { Handler: ({ handler }) => handler },
});
