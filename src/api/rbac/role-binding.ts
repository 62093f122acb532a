import { kind } from '../define.ts';
import type { RoleBinding } from './v1.gen.ts';

export const roleBindings = kind<RoleBinding>({
  facts: 'rbac.authorization.k8s.io/v1 RoleBinding',
  nameFormat: 'path',
});
