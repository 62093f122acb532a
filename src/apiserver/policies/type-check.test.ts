import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ExpressionWarning } from '../../api/admissionregistration/v1.gen.ts';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import type { Client } from '../../client/client.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { rule } from './fixtures.ts';

let plane: ControlPlane;
let client: Client;
before(async () => {
  plane = await startControlPlane();
  client = plane.client;
});
after(() => plane.stop());

/** The warnings in the status of a policy, once it is there. */
async function warningsOf(name: string, generation = 1): Promise<ExpressionWarning[]> {
  for (let i = 0; i < 200; i++) {
    const { status } = await client(validatingAdmissionPolicies).get(name);
    if (status?.observedGeneration === generation) return status.typeChecking!.expressionWarnings ?? [];
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail('no status');
}
const create = (name: string, spec: object) =>
  client(validatingAdmissionPolicies).create({ metadata: { name }, spec } as never);

const deployments = [rule(['deployments'], ['CREATE'], ['apps'], ['v1'])];

test('expressions are held against the types of what the policy is for, and the status says what is wrong', async () => {
  await create('typed', {
    matchConstraints: { resourceRules: deployments },
    validations: [
      {
        expression: "object.spec.replicas > '1'",
        messageExpression: "'wants replicas > 1, got ' + object.spec.replicas",
      },
      {
        expression:
          'object.spec.template.spec.containers.all(c, c.imagePullPolicy == "Always" || has(c.env))',
      },
      { expression: 'object.spec.replicas > 1', messageExpression: "'got ' + string(object.spec.replicas)" },
    ],
  });
  const warnings = await warningsOf('typed');
  assert.deepEqual(
    warnings.map(({ fieldRef }) => fieldRef),
    ['spec.validations[0].expression', 'spec.validations[0].messageExpression'],
  );
  assert.equal(
    warnings[0]!.warning,
    `apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'
 | object.spec.replicas > '1'
 | .....................^
`,
  );
  assert.match(warnings[1]!.warning, /found no matching overload for '_\+_' applied to '\(string, int\)'/);
  await client(validatingAdmissionPolicies).patch('typed', {
    spec: { validations: [{ expression: 'object.spec.replicas > 1' }] },
  });
  assert.deepEqual(await warningsOf('typed', 2), []);
});

test('each type is checked by itself; wildcards are not checked at all', async () => {
  await create('several', {
    matchConstraints: {
      resourceRules: [
        rule(['replicasets', 'deployments', 'deployments/scale'], ['CREATE'], ['apps'], ['v1']),
        rule(['pods'], ['CREATE'], [''], ['v1']),
      ],
    },
    variables: [{ name: 'size', expression: 'object.metadata.name.size()' }],
    validations: [{ expression: 'variables.size > 1 && !object.spec.paused' }],
  });
  const [warning, ...rest] = await warningsOf('several');
  assert.deepEqual(rest, []);
  const lines = warning!.warning.split('\n').filter((line) => line.includes('Kind='));
  assert.match(lines[0]!, /^\/v1, Kind=Pod: ERROR: <input>:1:35: undefined field 'paused'$/);
  assert.match(lines[1]!, /^apps\/v1, Kind=ReplicaSet: ERROR: /);
  assert.equal(lines.length, 2);
  await create('wild', {
    matchConstraints: { resourceRules: [rule(['deployments'], ['CREATE'], ['*'], ['v1'])] },
    validations: [{ expression: 'object.nonsense' + ' == 1' }],
  });
  assert.deepEqual(await warningsOf('wild'), []);
});

test('types of custom resources and of parameters are known, too', async () => {
  const properties = {
    spec: { type: 'object', properties: { most: { type: 'integer' }, 'a-b': { type: 'string' } } },
  };
  await client(customResourceDefinitions).create({
    metadata: { name: 'limits.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'limits', kind: 'Limit' },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: { openAPIV3Schema: { type: 'object', properties } },
        },
      ],
    },
  } as never);
  await create('custom', {
    paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' },
    matchConstraints: {
      resourceRules: [...deployments, rule(['limits'], ['CREATE'], ['example.com'], ['v1'])],
    },
    validations: [
      { expression: 'object.spec.replicas <= params.spec.maxReplicas' },
      {
        expression:
          'params.spec.most > 1 && params.spec.a__dash__b == "x" && params.metadata.labels.size() > 0',
      },
      { expression: 'params.spec.most == "x"' },
    ],
  });
  const warnings = await warningsOf('custom');
  assert.deepEqual(
    warnings.map(({ fieldRef }) => fieldRef),
    ['spec.validations[0].expression', 'spec.validations[2].expression'],
  );
  assert.match(warnings[0]!.warning, /apps\/v1, Kind=Deployment: ERROR: .*undefined field 'maxReplicas'/);
  assert.match(warnings[0]!.warning, /example\.com\/v1, Kind=Limit: ERROR: .*undefined field 'replicas'/);
  assert.match(warnings[1]!.warning, /'_==_' applied to '\(int, string\)'/);
});
