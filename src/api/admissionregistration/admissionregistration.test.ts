import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, errorsOf, made, refuses } from '../kind-fixtures.ts';
import { mutatingWebhookConfigurations } from './mutating-webhook-configuration.ts';
import { validatingAdmissionPolicies } from './validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from './validating-admission-policy-binding.ts';
import { validatingWebhookConfigurations } from './validating-webhook-configuration.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const webhook = (more: any = {}) => ({
  webhooks: [
    {
      name: 'a.b.c',
      rules: [rule],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      clientConfig: { service: { name: 's', namespace: 'd' } },
      ...more,
    },
  ],
});

test('webhooks get their defaults', () => {
  const object = made(mutatingWebhookConfigurations, webhook());
  const { failurePolicy, matchPolicy, timeoutSeconds, reinvocationPolicy, clientConfig, rules } =
    object.webhooks[0];
  assert.deepEqual(
    [failurePolicy, matchPolicy, timeoutSeconds, reinvocationPolicy],
    ['Fail', 'Equivalent', 10, 'Never'],
  );
  assert.equal(clientConfig.service.port, 443);
  assert.equal(rules[0].scope, '*');
  assert.deepEqual(errorsOf(mutatingWebhookConfigurations, object), []);
  assert.deepEqual(cellsOf(mutatingWebhookConfigurations, object), [1]);
});

test('what is wrong is named by its field', () => {
  const hooks = validatingWebhookConfigurations;
  refuses([
    [
      hooks,
      webhook({ name: 'a' }),
      'webhooks[0].name: Invalid value: "a": should be a domain with at least three segments separated by dots',
    ],
    [
      hooks,
      webhook({ sideEffects: undefined }),
      'webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun',
    ],
    [
      hooks,
      webhook({ admissionReviewVersions: ['v2'] }),
      'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
    ],
    [
      hooks,
      webhook({ clientConfig: {} }),
      'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
    ],
    [
      hooks,
      webhook({ clientConfig: { url: 'http://x' } }),
      'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
    ],
    [
      hooks,
      webhook({ clientConfig: { service: { name: 's', namespace: 'd', path: '/a//b' } } }),
      'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
    ],
    [
      hooks,
      webhook({ rules: [{ ...rule, resources: ['pods/*', 'pods/log'] }] }),
      'webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if \'pods/*\' is present, must not specify pods/log',
    ],
    [
      hooks,
      webhook({ timeoutSeconds: 31 }),
      'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    ],
    [validatingAdmissionPolicies, { spec: {} }, 'spec.matchConstraints: Required value'],
    [
      validatingAdmissionPolicyBindings,
      { spec: { policyName: 'p' } },
      'spec.validationActions: Required value',
    ],
  ]);
});

test('columns of policies', () => {
  const spec = { validations: [{ expression: 'true' }], paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
  assert.deepEqual(cellsOf(validatingAdmissionPolicies, made(validatingAdmissionPolicies, { spec })), [
    1,
    'v1/ConfigMap',
  ]);
  const binding = { spec: { policyName: 'p', paramRef: { name: 'x' } } };
  assert.deepEqual(
    cellsOf(validatingAdmissionPolicyBindings, made(validatingAdmissionPolicyBindings, binding)),
    ['p', '*/x'],
  );
});
