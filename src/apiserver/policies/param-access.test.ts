import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../api/admissionregistration/validating-admission-policy-binding.ts';
import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../../api/rbac/cluster-role-binding.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { rule } from './fixtures.ts';

test('who may not read parameters may not write policies that do', async () => {
  await using plane = await startControlPlane();
  const { client } = plane;
  const allow = async (name: string, apiGroups: string[], resources: string[]) => {
    await client(clusterRoles).create({
      metadata: { name },
      rules: [{ apiGroups, resources, verbs: ['*'] }],
    });
    await client(clusterRoleBindings).create({
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', name: 'alice', apiGroup: 'rbac.authorization.k8s.io' }],
    });
  };
  await allow('policies', ['admissionregistration.k8s.io'], ['*']);
  const alice = plane.clientFor('alice', ['system:authenticated']);
  const policy = (kind: string): any => ({
    metadata: { name: 'p' },
    spec: {
      paramKind: { apiVersion: 'v1', kind },
      matchConstraints: { resourceRules: [rule(['pods'])] },
      validations: [{ expression: 'true' }],
    },
  });
  const error = await refused(alice(validatingAdmissionPolicies).create(policy('ConfigMap')), 422);
  assert.equal(
    error.message,
    'ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.paramKind: Forbidden: user &{alice  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)',
  );
  const binding: any = {
    metadata: { name: 'b' },
    spec: {
      policyName: 'p',
      validationActions: ['Deny'],
      paramRef: { name: 'x', namespace: 'default', parameterNotFoundAction: 'Deny' },
    },
  };
  const bind = () => alice(validatingAdmissionPolicyBindings).create(binding);
  await refused(
    bind(),
    422,
    /spec.paramRef: Forbidden: unable to get policy p to determine minimum required/,
  );
  await client(validatingAdmissionPolicies).create(policy('ConfigMap'));
  await alice(validatingAdmissionPolicies).patch('p', { metadata: { labels: { a: 'b' } } });
  await refused(bind(), 422, /does not have "get" permission on the object referenced by paramRef$/);
  await allow('maps', [''], ['configmaps']);
  await bind();
  await refused(
    alice(validatingAdmissionPolicies).patch('p', { spec: { paramKind: { kind: 'Secret' } } }),
    422,
    'kind=Secret',
  );
});
