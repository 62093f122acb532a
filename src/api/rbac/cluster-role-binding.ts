import { kind } from '../define.ts';
import { bindingColumns, bindingErrors, defaultBinding, roleRefChange } from './subjects.ts';
import type { ClusterRoleBinding } from './v1.gen.ts';

export const clusterRoleBindings = kind<ClusterRoleBinding>({
  facts: 'rbac.authorization.k8s.io/v1 ClusterRoleBinding',
  nameFormat: 'path',
  createOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => bindingErrors(binding, ['ClusterRole']),
  validateUpdate: roleRefChange,
  columns: bindingColumns,
});
