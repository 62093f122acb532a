import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { rulesErrors } from './subjects.ts';
import type { ClusterRole } from './v1.gen.ts';

const SELECTORS = field('aggregationRule', 'clusterRoleSelectors');

export const clusterRoles = kind<ClusterRole>({
  facts: 'rbac.authorization.k8s.io/v1 ClusterRole',
  nameFormat: 'path',
  createOnUpdate: true,
  validate: ({ rules, aggregationRule }) => [
    ...rulesErrors(rules, false),
    ...(aggregationRule && !aggregationRule.clusterRoleSelectors?.length
      ? [SELECTORS.required('at least one clusterRoleSelector required if aggregationRule is non-nil')]
      : []),
    ...(aggregationRule?.clusterRoleSelectors ?? []).flatMap((s, i) =>
      labelSelectorErrors(s, SELECTORS.child(i)),
    ),
  ],
});
