import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { validatingWebhookConfigurations } from '../../api/admissionregistration/validating-webhook-configuration.ts';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { secrets } from '../../api/core/secret.ts';
import { memoryStore } from '../../etcd/memory.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { readMetrics } from '../../testing/exposition.ts';
import { type HttpsPlane, serveControlPlane } from '../../testing/https-server.ts';
import { parseEncryptionConfiguration } from '../encryption/configuration.ts';
import { EncryptedStore } from '../encryption/encrypted-store.ts';
import { nodeCiphers } from '../node/ciphers.ts';
import { configMap, mutating, rule, validating } from '../policies/fixtures.ts';
import { answerTo, type HookServer, hookServer } from '../webhooks/server-fixtures.ts';

let plane: ControlPlane;
let https: HttpsPlane;
let hooks: HookServer;
before(async () => {
  const secret = btoa('k'.repeat(32));
  const encryption = {
    kind: 'EncryptionConfiguration',
    apiVersion: 'apiserver.config.k8s.io/v1',
    resources: [{ resources: ['secrets'], providers: [{ secretbox: { keys: [{ name: 'k', secret }] } }] }],
  };
  const store = new EncryptedStore(
    memoryStore(),
    parseEncryptionConfiguration(JSON.stringify(encryption), nodeCiphers),
  );
  plane = await startControlPlane({ store });
  https = await serveControlPlane(plane);
  hooks = await hookServer({
    '/deny': (review) => answerTo(review, { allowed: false, status: { code: 418, message: 'no' } }),
    '/broken': () => 500,
    '/convert': ({ kind, apiVersion, request }) => {
      const { uid, desiredAPIVersion, objects } = request;
      const convertedObjects = objects.map((o: object) => ({ ...o, apiVersion: desiredAPIVersion }));
      return { kind, apiVersion, response: { uid, convertedObjects, result: { status: 'Success' } } };
    },
  });
});
after(async () => {
  await hooks[Symbol.asyncDispose]();
  await https[Symbol.asyncDispose]();
  await plane.stop();
});

const read = () => readMetrics(plane.server.metrics.registry.render());
const create = (data: Record<string, string> = {}) =>
  plane.client(configMaps).create(configMap('m', data), { dryRun: 'All' });

test('validating policies: what they refused, warned of, and could not be asked about', async () => {
  assert.ok(!read().types.has('apiserver_validating_admission_policy_check_total'), 'nothing to tell yet');
  const policy = {
    validations: [{ expression: "object.data.x != 'bad'" }, { expression: 'object.data.y != object.data.z' }],
    matchConditions: [{ name: 'asked', expression: "object.data.x != 'skipped'" }],
    failurePolicy: 'Ignore',
  };
  const bindings = [{ validationActions: ['Deny'] }, { validationActions: ['Warn', 'Audit'] }];
  await validating(plane.client, { policy, bindings }, async () => {
    await refused(create({ x: 'bad', y: '1', z: '2' }), 422);
    await create({ x: 'good' });
    await create({ x: 'skipped' });
  });
  const metrics = read();
  const count = (policy_binding: string, enforcement_action: string) =>
    metrics.value('apiserver_validating_admission_policy_check_total', {
      ...{ policy: 'p', policy_binding, error_type: 'invalid_error', enforcement_action },
    });
  assert.deepEqual(
    ['deny', 'allow', 'warn', 'audit'].map((action) => [count('p-b0', action), count('p-b1', action)]),
    [
      [1, undefined],
      [1, 1],
      [undefined, 1],
      [undefined, 1],
    ],
  );
  assert.equal(metrics.sum('apiserver_validating_admission_policy_check_duration_seconds_count'), 5);
  const of = { name: 'p', kind: 'policy', type: 'validate', operation: 'CREATE' };
  assert.equal(metrics.value('apiserver_admission_match_condition_evaluation_seconds_count', of), 6);
  const step = { type: 'validate', operation: 'CREATE', rejected: 'true' };
  assert.equal(metrics.value('apiserver_admission_step_admission_duration_seconds_count', step), 1);
  assert.equal(metrics.value('apiserver_admission_step_admission_duration_seconds_summary_count', step), 1);
  assert.equal(metrics.types.get('apiserver_admission_step_admission_duration_seconds_summary'), 'summary');
  const plugin = { name: 'ValidatingAdmissionPolicy', ...step };
  assert.equal(metrics.value('apiserver_admission_controller_admission_duration_seconds_count', plugin), 1);
});

test('mutating policies', async () => {
  const expression = "Object{data: {'added': object.data.from}}";
  const policy = { mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] };
  await mutating(plane.client, { policy }, async () => {
    await create({ from: '1' });
    await refused(create({}), 403);
  });
  const metrics = read();
  const count = (error_type: string) =>
    metrics.value('apiserver_mutating_admission_policy_check_total', {
      ...{ policy: 'p', policy_binding: 'p-b0', error_type },
    });
  assert.deepEqual([count('no_error'), count('invalid_error')], [1, 1]);
  assert.equal(metrics.sum('apiserver_mutating_admission_policy_check_duration_seconds_count'), 2);
});

test('webhooks that refuse, that cannot be reached, and whose conditions leave requests out', async () => {
  const { client } = plane;
  const hook = (name: string, path: string, more: object) => ({
    ...{ name: `${name}.example.com`, sideEffects: 'None', admissionReviewVersions: ['v1'] },
    ...{ clientConfig: hooks.at(path), rules: [rule(['configmaps'], ['CREATE'])] },
    ...more,
  });
  await client(validatingWebhookConfigurations).create({
    metadata: { name: 'hooks' },
    webhooks: [
      hook('gone', '/broken', { failurePolicy: 'Ignore' }),
      hook('deny', '/deny', {
        matchConditions: [
          { name: 'asked', expression: "object.data.x != 'skipped'" },
          { name: 'fails', expression: "object.data.y != 'z'" },
        ],
      }),
    ],
  } as any);
  await refused(create({ x: '1', y: '1' }), 418);
  await create({ x: 'skipped', y: '1' });
  await refused(create({ x: '1' }), 403);
  await client(validatingWebhookConfigurations).delete('hooks');
  const metrics = read();
  const labels = { type: 'validating', operation: 'CREATE' };
  const deny = { name: 'deny.example.com', ...labels };
  const refusal = { ...deny, error_type: 'no_error', rejection_code: '418' };
  assert.equal(metrics.value('apiserver_admission_webhook_rejection_count', refusal), 1);
  const request = { ...deny, code: '418', rejected: 'true' };
  assert.equal(metrics.value('apiserver_admission_webhook_request_total', request), 1);
  const took = { ...deny, rejected: 'true' };
  assert.equal(metrics.value('apiserver_admission_webhook_admission_duration_seconds_count', took), 1);
  const conditions = { ...deny, kind: 'webhook' };
  assert.equal(metrics.value('apiserver_admission_match_condition_exclusions_total', conditions), 1);
  assert.equal(metrics.value('apiserver_admission_match_condition_evaluation_errors_total', conditions), 1);
  const open = { name: 'gone.example.com', type: 'validating' };
  assert.ok(metrics.value('apiserver_admission_webhook_fail_open_count', open)! >= 1);
});

test('custom resources: conversions and rules', async () => {
  const schema = (rules: object[]) => ({
    openAPIV3Schema: {
      type: 'object',
      properties: { spec: { type: 'object', properties: { n: { type: 'integer' } } } },
      'x-kubernetes-validations': rules,
    },
  });
  const version = (name: string, storage: boolean) => ({
    ...{ name, served: true, storage, schema: schema([{ rule: 'self.spec.n > 0' }]) },
  });
  await plane.client(customResourceDefinitions).create({
    metadata: { name: 'things.example.com' },
    spec: {
      ...{ group: 'example.com', scope: 'Cluster', names: { plural: 'things', kind: 'Thing' } },
      versions: [version('v1', true), version('v2', false)],
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: hooks.at('/convert'), conversionReviewVersions: ['v1'] },
      },
    },
  } as any);
  const post = (n: number) =>
    https.ask('/apis/example.com/v1/things', {
      method: 'POST',
      body: { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: `t${n}` }, spec: { n } },
    });
  // A definition is served a moment after it is written.
  while ((await https.ask('/apis/example.com/v2/things')).code === 404)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await post(1)).code, 201);
  assert.equal((await post(0)).code, 422);
  assert.equal((await https.ask('/apis/example.com/v2/things/t1')).code, 200);
  const metrics = read();
  const labels = {
    ...{ crd_name: 'things.example.com', from_version: 'v1', to_version: 'v2', succeeded: 'true' },
  };
  assert.equal(metrics.value('apiserver_crd_conversion_webhook_duration_seconds_count', labels), 1);
  const requests = { result: 'success', failure_type: '' };
  assert.equal(metrics.value('apiserver_conversion_webhook_request_total', requests), 1);
  assert.equal(metrics.value('apiserver_cel_evaluation_duration_seconds_count'), 2);
  assert.ok(metrics.value('apiserver_cel_compilation_duration_seconds_count')! > 0);
});

test('what is encrypted', async () => {
  await plane.client(secrets).create({ metadata: { name: 's', namespace: 'default' } });
  const metrics = read();
  const by = { transformation_type: 'to_storage', transformer_prefix: 'k8s:enc:secretbox:v1:k:' };
  const operation = { resource: 'secrets', status: 'OK', ...by };
  assert.equal(metrics.value('apiserver_storage_transformation_operations_total', operation), 1);
  assert.equal(metrics.value('apiserver_storage_transformation_duration_seconds_count', by), 1);
});
