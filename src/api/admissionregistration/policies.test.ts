import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../../machinery/kind.ts';
import { errorsOf, made } from '../kind-fixtures.ts';
import { mutatingAdmissionPolicies } from './mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from './mutating-admission-policy-binding.ts';
import { validatingAdmissionPolicies } from './validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from './validating-admission-policy-binding.ts';

function refuses(cases: [kind: Kind<any>, more: Record<string, any>, error: string][]): void {
  for (const [kind, more, expected] of cases) {
    const found = errorsOf(kind, made(kind, more)).join('\n');
    assert.ok(found.includes(expected), `${expected}\n${found}`);
  }
}

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const policy = (more: any = {}) => ({
  metadata: { name: 'p.example.com' },
  spec: {
    matchConstraints: { resourceRules: [rule] },
    validations: [{ expression: 'true' }],
    ...more,
  },
});
const mutating = (more: any = {}) => {
  const { spec, metadata } = policy({
    reinvocationPolicy: 'Never',
    mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }],
    ...more,
  });
  delete spec.validations;
  return { metadata, spec };
};
const validation = (more: any) => policy({ validations: [{ expression: 'true', ...more }] });

test('expressions of policies must compile, to what is asked for', () => {
  const vap = validatingAdmissionPolicies;
  const compile = 'compilation failed: ERROR: <input>';
  refuses([
    [
      vap,
      validation({ expression: ' ' }),
      'spec.validations[0].expression: Required value: expression is not specified',
    ],
    [
      vap,
      validation({ expression: 'object.spec.replicas > ' }),
      `spec.validations[0].expression: Invalid value: "object.spec.replicas > ": ${compile}:1:24: Syntax error: mismatched input '<EOF>'`,
    ],
    [
      vap,
      validation({ expression: "'a' == 1" }),
      `spec.validations[0].expression: Invalid value: "'a' == 1": ${compile}:1:5: found no matching overload for '_==_' applied to '(string, int)'`,
    ],
    [
      vap,
      validation({ expression: 'object.spec.replicas' }),
      'spec.validations[0].expression: Invalid value: "object.spec.replicas": must evaluate to bool but got dyn',
    ],
    [
      vap,
      validation({ expression: 'params.x == 1' }),
      `spec.validations[0].expression: Invalid value: "params.x == 1": ${compile}:1:1: undeclared reference to 'params' (in container '')`,
    ],
    [
      vap,
      validation({ expression: 'request.usrInfo.username == ""' }),
      `${compile}:1:8: undefined field 'usrInfo'`,
    ],
    [
      vap,
      validation({ messageExpression: '1' }),
      'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int',
    ],
    [
      vap,
      validation({ messageExpression: "authorizer.path('/x').check('get').reason()" }),
      `${compile}:1:1: undeclared reference to 'authorizer'`,
    ],
    [
      vap,
      policy({ matchConditions: [{ name: 'a', expression: '1' }] }),
      'spec.matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int',
    ],
    [
      vap,
      policy({ variables: [{ name: 'in', expression: '1' }] }),
      'spec.variables[0].name: Invalid value: "in": must be a valid CEL identifier',
    ],
    [
      vap,
      policy({
        variables: [{ name: 'x', expression: 'size(object.spec)' }],
        validations: [{ expression: "variables.x == 'a'" }],
      }),
      "found no matching overload for '_==_' applied to '(int, string)'",
    ],
    [
      vap,
      policy({
        variables: [
          { name: 'x', expression: 'variables.y' },
          { name: 'y', expression: '1' },
        ],
        validations: [{ expression: 'variables.y == 1' }],
      }),
      `spec.variables[0].expression: Invalid value: "variables.y": ${compile}:1:1: undeclared reference to 'variables'`,
    ],
    [
      vap,
      policy({ auditAnnotations: [{ key: 'k', valueExpression: '1' }] }),
      'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int',
    ],
    [
      vap,
      policy({ validations: [] }),
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
    ],
    [vap, validation({ reason: 'Odd' }), 'spec.validations[0].reason: Unsupported value: "Odd"'],
    [
      vap,
      policy({ paramKind: { apiVersion: 'a/b/c', kind: 'K' } }),
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
    ],
  ]);
});

test('mutations come to objects, or to lists of patches', () => {
  const map = mutatingAdmissionPolicies;
  const mutation = (patchType: string, name: string, expression: string) =>
    mutating({ mutations: [{ patchType, [name]: { expression } }] });
  refuses([
    [
      map,
      mutation('ApplyConfiguration', 'applyConfiguration', '{"spec": 1}'),
      'spec.mutations[0].applyConfiguration.expression: Invalid value: "{\\"spec\\": 1}": must evaluate to Object but got map(string, int)',
    ],
    [
      map,
      mutation('JSONPatch', 'jsonPatch', '[JSONPatch{op: 1}]'),
      "expected type of field 'op' is 'string' but provided type is 'int'",
    ],
    [
      map,
      mutation('JSONPatch', 'jsonPatch', '["a"]'),
      'must evaluate to list(JSONPatch) but got list(string)',
    ],
    [
      map,
      mutation('JSONPatch', 'applyConfiguration', 'Object{}'),
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
    ],
    [
      map,
      mutating({ mutations: [] }),
      'spec.mutations: Required value: mutations must contain at least one item',
    ],
    [
      map,
      mutating({ matchConstraints: { resourceRules: [{ ...rule, operations: ['DELETE'] }] } }),
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE"',
    ],
  ]);
});

test('bindings', () => {
  refuses([
    [
      validatingAdmissionPolicyBindings,
      { spec: { policyName: 'P', validationActions: ['Deny', 'Warn'] } },
      'must not contain both Deny and Warn',
    ],
    [
      mutatingAdmissionPolicyBindings,
      { spec: { policyName: 'p', paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' } } },
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
    ],
    [mutatingAdmissionPolicyBindings, { spec: { policyName: '' } }, 'spec.policyName: Required value'],
  ]);
});
