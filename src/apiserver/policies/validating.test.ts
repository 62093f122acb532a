import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { deployments } from '../../api/apps/deployment.ts';
import { horizontalPodAutoscalersV1 } from '../../api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import type { Client } from '../../client/client.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { configMap, listen, rule, validating } from './fixtures.ts';

let plane: ControlPlane;
let client: Client;
let heard: ReturnType<typeof listen>;
before(async () => {
  plane = await startControlPlane();
  client = plane.client;
  heard = listen(plane.server.registry.admission);
});
after(() => plane.stop());

let next = 0;
/** Creates a config map that goes again. */
async function create(data: Record<string, string> = {}, namespace = 'default', by = client): Promise<void> {
  const name = `m${next++}`;
  await by(configMaps).create(configMap(name, data, namespace));
  await client(configMaps).delete(name, { namespace });
}
const names = (validations: string | string[]) => [validations].flat().map((expression) => ({ expression }));

test('what a policy forbids is refused at once, with its name, its reason and its message', async () => {
  await validating(client, { policy: { validations: names('!has(object.data.bad)') } }, async () => {
    const error = await refused(create({ bad: '1' }), 422);
    const said =
      "ValidatingAdmissionPolicy 'p' with binding 'p-b0' denied request: failed expression: !has(object.data.bad)";
    assert.match(error.message, /^configmaps "m\d+" is forbidden: /);
    assert.ok(error.message.endsWith(said), error.message);
    assert.equal(error.reason, 'Invalid');
    assert.deepEqual(error.status.details?.causes, [{ message: said }]);
    await create();
    // A name that is still to be made up.
    await refused(
      client(configMaps).create({
        metadata: { generateName: 'g-', namespace: 'default' },
        data: { bad: '' },
      }),
      422,
      'configmaps "g-',
    );
  });
  await create({ bad: '1' });
  const validations = [
    { expression: "object.data.x != 'a'", message: ' plain ', reason: 'Forbidden' },
    { expression: "object.data.x != 'b'", messageExpression: "'said ' + object.data.x", message: 'unused' },
    { expression: "object.data.x != 'c'", messageExpression: "'two\\nlines'", message: 'instead' },
    {
      expression: "object.data.x != 'd'",
      messageExpression: 'string(object.data.missing)',
      reason: 'Unauthorized',
    },
  ];
  await validating(client, { policy: { validations } }, async () => {
    await refused(create({ x: 'a' }), 403, /denied request: plain$/);
    await refused(create({ x: 'b' }), 422, /denied request: said b$/);
    await refused(create({ x: 'c' }), 422, /denied request: instead$/);
    await refused(create({ x: 'd' }), 401, /denied request: failed expression: object.data.x != 'd'$/);
  });
});

test('a binding says what follows: warnings, audit annotations, or refusal', async () => {
  const policy = {
    validations: [{ expression: 'true' }, { expression: 'false', message: 'no' }],
    auditAnnotations: [
      { key: 'count', valueExpression: "' ' + string(object.data.size()) + ' '" },
      { key: 'none', valueExpression: 'null' },
    ],
  };
  await validating(client, { policy, bindings: [{ validationActions: ['Warn', 'Audit'] }] }, async () => {
    await create({ a: '1', b: '2' });
    await client(configMaps).create(configMap('audited', { a: '1', b: '2' }));
    assert.deepEqual(heard.warnings, [
      "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b0': no",
    ]);
    const { 'validation.policy.admission.k8s.io/validation_failure': failure, ...rest } = heard.annotations;
    assert.deepEqual(rest, { 'p/count': '2' });
    assert.deepEqual(JSON.parse(failure!), [
      {
        ...{ message: 'no', policy: 'p', binding: 'p-b0', expressionIndex: 1 },
        validationActions: ['Warn', 'Audit'],
      },
    ]);
  });
  await client(configMaps).delete('audited', { namespace: 'default' });
});

test('an expression that fails refuses, unless failures are ignored', async () => {
  const failing = { validations: names("object.data.x == 'y'") };
  const text = "expression 'object.data.x == 'y'' resulted in error: no such key: x";
  await validating(client, { policy: failing }, async () => {
    const error = await refused(create(), 422);
    assert.ok(error.message.endsWith(`denied request: ${text}`), error.message);
  });
  await validating(client, { policy: { ...failing, failurePolicy: 'Ignore' } }, () => create());
  const annotation = { auditAnnotations: [{ key: 'k', valueExpression: 'string(object.data.x)' }] };
  await validating(client, { policy: annotation, bindings: [{ validationActions: ['Audit'] }] }, async () => {
    await refused(create(), 422, /resulted in error: no such key: x$/);
  });
  await validating(client, { policy: { ...annotation, failurePolicy: 'Ignore' } }, () => create());
});

test('variables are worked out when they are asked for, once; conditions leave requests out', async () => {
  const policy = {
    matchConditions: [{ name: 'only', expression: "request.operation == 'CREATE' && has(object.data.on)" }],
    variables: [
      { name: 'broken', expression: 'object.data.missing' },
      { name: 'on', expression: 'object.data.on' },
      { name: 'both', expression: "variables.on + '!'" },
    ],
    validations: [
      { expression: "variables.both == 'yes!'", messageExpression: "'got ' + variables.both" },
      { expression: "variables.on != 'break' || variables.broken == ''" },
    ],
  };
  await validating(client, { policy }, async () => {
    await create();
    await create({ on: 'yes' });
    await refused(create({ on: 'no' }), 422, /got no!$/);
    const broken = validating(
      client,
      { name: 'q', policy: { ...policy, validations: names("variables.broken == ''") } },
      async () => {
        await refused(
          create({ on: 'yes' }),
          422,
          /composited variable "broken" fails to evaluate: no such key: missing$/,
        );
      },
    );
    await broken;
  });
  const conditions = { matchConditions: [{ name: 'x', expression: 'object.data.missing' + " == ''" }] };
  await validating(client, { policy: { ...conditions, validations: names('true') } }, async () => {
    await refused(create(), 422, /resulted in error: no such key: missing$/);
  });
});

test('expressions see the request, the namespace, and what its author may', async () => {
  const policy = {
    validations: [
      { expression: "request.userInfo.username == 'system:admin'", message: 'user' },
      {
        expression: "request.resource.resource == 'configmaps' && request.kind.kind == 'ConfigMap'",
        message: 'kind',
      },
      {
        expression: "namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active'",
        message: 'namespace',
      },
      { expression: 'oldObject == null && !request.dryRun', message: 'old' },
      { expression: "object.kind == 'ConfigMap' && object.apiVersion == 'v1'", message: 'object' },
      { expression: "request.options.fieldManager == 'me'", message: 'options' },
    ],
  };
  await validating(client, { policy }, async () => {
    await client(configMaps).create(configMap('seen'), { fieldManager: 'me' });
  });
  const set = (a: string) => client(configMaps).patch('seen', { data: { a } }, { namespace: 'default' });
  await set('1');
  const update = { validations: names("oldObject.data.a == '1' && object.data.a == '2'") };
  await validating(client, { policy: update }, async () => {
    await refused(set('3'), 422, 'configmaps "seen" is forbidden');
    await set('2');
  });
  const asks =
    "authorizer.group('').resource('configmaps').namespace('default').check('breakdance').allowed() || authorizer.requestResource.check('explode').allowed()";
  await validating(client, { policy: { validations: names(`!(${asks})`) } }, async () => {
    await refused(create(), 422, 'denied request');
  });
  await client(configMaps).delete('seen', { namespace: 'default' });
});

test('parameters come by name or by selector, from any kind', async () => {
  const maps = client(configMaps);
  const policy = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConstraints: { resourceRules: [rule(['namespaces'], ['CREATE'])] },
    validations: [
      {
        expression: 'object.metadata.name.size() <= int(params.data.most)',
        messageExpression: "params.kind + ' ' + params.metadata.name",
      },
    ],
  };
  for (const [name, most] of [
    ['short', '5'],
    ['long', '8'],
  ] as const)
    await maps.create({
      metadata: { name, namespace: 'default', labels: { limits: 'yes' } },
      data: { most },
    });
  const make = (name: string) =>
    client(namespaces).create({ metadata: { name }, spec: {} }, { dryRun: 'All' });
  const named = { name: 'short', namespace: 'default', parameterNotFoundAction: 'Deny' };
  await validating(client, { policy, bindings: [{ paramRef: named }] }, async () => {
    await make('abc');
    await refused(make('abcdef'), 422, /denied request: ConfigMap short$/);
  });
  const selected = {
    ...{ selector: { matchLabels: { limits: 'yes' } }, namespace: 'default' },
    parameterNotFoundAction: 'Deny',
  };
  await validating(client, { policy, bindings: [{ paramRef: selected }] }, async () => {
    await refused(make('abcdef'), 422, /ConfigMap short$/);
    await refused(make('abcdefghi'), 422, /ConfigMap long$/);
  });
  const missing = { ...named, name: 'nothing' };
  await validating(client, { policy, bindings: [{ paramRef: missing }] }, async () => {
    await refused(
      make('abc'),
      422,
      "with binding 'p-b0' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    );
  });
  const allowed = { ...missing, parameterNotFoundAction: 'Allow' };
  await validating(
    client,
    { policy, bindings: [{ paramRef: allowed }] },
    async () => void (await make('abcdefghi')),
  );
  const { namespace: _, ...anywhere } = named;
  const roles = { ...policy, matchConstraints: { resourceRules: [rule(['clusterroles'])] } };
  await validating(client, { policy: roles, bindings: [{ paramRef: anywhere }] }, async () => {
    await refused(
      client(clusterRoles).create({ metadata: { name: 'r' }, rules: [] }),
      422,
      /cannot use namespaced paramRef in policy binding that matches cluster-scoped resources$/,
    );
  });
  // Without a namespace of its own, the reference is to that of the request; the parameter changes, and so does the answer.
  const own = {
    paramKind: policy.paramKind,
    validations: names("params.data.most != '5' || object.data.x == '1'"),
  };
  await validating(client, { policy: own, bindings: [{ paramRef: anywhere }] }, async () => {
    await refused(create({ x: '2' }), 422, 'denied request');
    await maps.patch('short', { data: { most: '6', x: '1' } }, { namespace: 'default' });
    await create({ x: '2' });
  });
  const unknown = { ...own, paramKind: { apiVersion: 'example.com/v1', kind: 'Widget' } };
  await validating(client, { policy: unknown, bindings: [{ paramRef: anywhere }] }, async () => {
    await refused(
      create(),
      422,
      "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Widget'",
    );
  });
  for (const name of ['short', 'long']) await maps.delete(name, { namespace: 'default' });
});

const widgets = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Cluster',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { most: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
};

test('parameters and objects may be custom resources', async () => {
  await client(customResourceDefinitions).create(widgets as never);
  const { kind } = plane.server.registry.scheme.kind('example.com/v1', 'Widget')!;
  await client(kind).create({ metadata: { name: 'limit' }, spec: { most: 1 } });
  const policy = {
    paramKind: { apiVersion: 'example.com/v1', kind: 'Widget' },
    matchConstraints: { resourceRules: [rule(['configmaps', 'widgets'])] },
    validations: [
      {
        expression: "object.kind == 'Widget' ? object.spec.most < 3 : object.data.size() <= params.spec.most",
      },
    ],
  };
  const paramRef = { name: 'limit', parameterNotFoundAction: 'Deny' };
  await validating(client, { policy, bindings: [{ paramRef }] }, async () => {
    await create({ a: '1' });
    await refused(create({ a: '1', b: '2' }), 422, 'denied request');
    await client(kind).patch('limit', { spec: { most: 2 } });
    await create({ a: '1', b: '2' });
    await refused(
      client(kind).patch('limit', { spec: { most: 3 } }),
      422,
      'widgets.example.com "limit" is forbidden',
    );
  });
});

test('rules choose, with selectors, exclusions, names and equivalent versions', async () => {
  const no = { validations: names('false') };
  const deny = (match: object) => ({ policy: { ...no, matchConstraints: match } });
  const rules = [rule(['configmaps'], ['CREATE'])];
  const excluded = [{ ...rule(['*']), resourceNames: ['spared'] }];
  await validating(client, deny({ resourceRules: rules, excludeResourceRules: excluded }), async () => {
    await refused(create(), 422, 'denied request');
    await client(configMaps).create(configMap('spared'));
  });
  await client(configMaps).delete('spared', { namespace: 'default' });
  const selectors = { objectSelector: { matchLabels: { a: 'b' } } };
  await validating(client, deny({ resourceRules: rules, ...selectors }), () => create());
  const namespace = { matchLabels: { 'kubernetes.io/metadata.name': 'kube-public' } };
  const inPublic = { matchResources: { namespaceSelector: namespace } };
  await validating(client, { policy: no, bindings: [inPublic] }, async () => {
    await create();
    await refused(create({}, 'kube-public'), 422, 'denied request');
  });
  const hpa = [rule(['horizontalpodautoscalers'], ['CREATE'], ['autoscaling'], ['v2'])];
  const scaler: AnyObject = {
    metadata: { name: 'h', namespace: 'default' },
    spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50, scaleTargetRef: { kind: 'X', name: 'x' } },
  } as AnyObject;
  const metrics = {
    validations: [
      {
        expression: 'object.spec.metrics.size() != 1',
        messageExpression:
          "request.resource.version + ' ' + request.requestResource.version + ' ' + object.apiVersion",
      },
    ],
  };
  const make = () => client(horizontalPodAutoscalersV1).create(scaler as never, { dryRun: 'All' });
  await validating(client, { policy: { ...metrics, matchConstraints: { resourceRules: hpa } } }, async () => {
    await refused(make(), 422, /denied request: v2 v1 autoscaling\/v2$/);
  });
  const exact = { resourceRules: hpa, matchPolicy: 'Exact' };
  await validating(
    client,
    { policy: { ...metrics, matchConstraints: exact } },
    async () => void (await make()),
  );
});

test('deletions and connections are seen; policies themselves are never held up', async () => {
  const all = { resourceRules: [rule(['*/*'], ['*'])] };
  await create();
  await client(configMaps).create(configMap('stays'));
  const policy = { validations: names("request.operation == 'CONNECT'"), matchConstraints: all };
  await validating(client, { policy }, async () => {
    await refused(client(configMaps).delete('stays', { namespace: 'default' }), 422, 'denied request');
    await client(validatingAdmissionPolicies).create({
      metadata: { name: 'other' },
      spec: { validations: [{ expression: 'true' }], matchConstraints: all as never },
    });
    await client(validatingAdmissionPolicies).delete('other');
  });
  await client(configMaps).delete('stays', { namespace: 'default' });
  const scale = { resourceRules: [rule(['deployments/scale'], ['UPDATE'], ['apps'], ['v1'])] };
  await client(deployments).create({
    metadata: { name: 'd', namespace: 'default' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'c' }] } },
    },
  } as never);
  const most = {
    validations: names("object.kind == 'Scale' && object.spec.replicas < 5"),
    matchConstraints: scale,
  };
  await validating(client, { policy: most }, async () => {
    const to = (replicas: number) =>
      client(deployments).patch('d', { spec: { replicas } }, { namespace: 'default', subresource: 'scale' });
    await to(4);
    await refused(to(5), 422, 'denied request');
  });
});

test('expressions that cost too much end in bounded time', async () => {
  const data = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, 'v'.repeat(100)]));
  const bomb =
    'object.data.all(a, object.data.all(b, object.data.all(c, object.data[a] + object.data[b] != object.data[c])))';
  await validating(client, { policy: { validations: names(bomb) } }, async () => {
    const began = Date.now();
    await refused(create(data), 422, /actual cost limit exceeded|running out of cost budget/);
    assert.ok(Date.now() - began < 5000);
  });
  const heavy = 'object.data.all(a, object.data.all(b, object.data[a].size() < 1000))';
  const many = Array.from({ length: 30 }, (_, i) => ({ expression: `${heavy} || ${i} == 1` }));
  await validating(client, { policy: { validations: many } }, async () => {
    await refused(
      create(data),
      422,
      /validation failed due to running out of cost budget, no further validation rules will be run$/,
    );
  });
});
