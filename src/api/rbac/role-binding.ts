import { kind } from '../define.ts';
import { bindingColumns, bindingErrors, defaultBinding, roleRefChange } from './subjects.ts';
import type { RoleBinding } from './v1.gen.ts';

export const roleBindings = kind<RoleBinding>({
  facts: 'rbac.authorization.k8s.io/v1 RoleBinding',
  nameFormat: 'path',
  createOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => bindingErrors(binding, ['Role', 'ClusterRole']),
  validateUpdate: roleRefChange,
  columns: bindingColumns,
});
