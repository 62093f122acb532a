import { kind } from '../define.ts';
import { rulesErrors } from './subjects.ts';
import type { Role } from './v1.gen.ts';

export const roles = kind<Role>({
  facts: 'rbac.authorization.k8s.io/v1 Role',
  nameFormat: 'path',
  createOnUpdate: true,
  validate: ({ rules }) => rulesErrors(rules, true),
});
