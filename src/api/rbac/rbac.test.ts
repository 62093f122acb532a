import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, context, errorsOf, made, refuses, texts } from '../kind-fixtures.ts';
import { clusterRoles } from './cluster-role.ts';
import { clusterRoleBindings } from './cluster-role-binding.ts';
import { roles } from './role.ts';
import { roleBindings } from './role-binding.ts';

const roleRef = { kind: 'ClusterRole', name: 'view' };
const subjects = [
  { kind: 'User', name: 'jane' },
  { kind: 'Group', name: 'devs' },
  { kind: 'ServiceAccount', name: 'bot', namespace: 'd' },
];

test('bindings: groups of their parts, columns, a role that stays', () => {
  const binding = made(roleBindings, { roleRef, subjects });
  assert.equal(binding.roleRef.apiGroup, 'rbac.authorization.k8s.io');
  assert.equal(binding.subjects[0].apiGroup, 'rbac.authorization.k8s.io');
  assert.equal(binding.subjects[2].apiGroup, undefined);
  assert.deepEqual(errorsOf(roleBindings, binding), []);
  assert.deepEqual(cellsOf(roleBindings, binding), ['ClusterRole/view', 'jane', 'devs', 'd/bot']);
  const changed = made(roleBindings, { roleRef: { ...roleRef, name: 'edit' } });
  assert.match(
    texts(roleBindings.rules.validateUpdate!(changed, binding, context))[0]!,
    /^roleRef: Invalid value: .*: cannot change roleRef$/,
  );
});

test('what is wrong is named by its field', () => {
  const rule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  refuses([
    [
      roles,
      { rules: [{ ...rule, verbs: [] }] },
      'rules[0].verbs: Required value: verbs must contain at least one value',
    ],
    [
      roles,
      { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] },
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
    ],
    [
      clusterRoles,
      { rules: [{ ...rule, nonResourceURLs: ['/x'] }] },
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
    [
      clusterRoles,
      { aggregationRule: {} },
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required',
    ],
    [
      roleBindings,
      { roleRef: { kind: 'X', name: 'y' } },
      'roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole"',
    ],
    [
      clusterRoleBindings,
      { roleRef: { kind: 'Role', name: 'y' } },
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ],
    [
      clusterRoleBindings,
      { roleRef, subjects: [{ kind: 'ServiceAccount', name: 'a' }] },
      'subjects[0].namespace: Required value',
    ],
    [
      roleBindings,
      { roleRef, subjects: [{ kind: 'Robot', name: 'a' }] },
      'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ],
  ]);
  assert.deepEqual(
    clusterRoles.columns.map((c) => c.name),
    ['Name', 'Created At'],
  );
});
