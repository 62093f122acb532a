import { kind } from '../define.ts';
import type { ClusterRole } from './v1.gen.ts';

export const clusterRoles = kind<ClusterRole>({
  facts: 'rbac.authorization.k8s.io/v1 ClusterRole',
  nameFormat: 'path',
});
