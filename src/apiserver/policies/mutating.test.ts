import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { deployments } from '../../api/apps/deployment.ts';
import { horizontalPodAutoscalersV1 } from '../../api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { pods } from '../../api/core/pod.ts';
import type { Client } from '../../client/client.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { configMap, mutating, rule, validating } from './fixtures.ts';

let plane: ControlPlane;
let client: Client;
before(async () => {
  plane = await startControlPlane();
  client = plane.client;
});
after(() => plane.stop());

const apply = (expression: string) => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
});
const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const dry = { dryRun: 'All' } as const;
const make = (data: Record<string, string> = {}): Promise<any> =>
  client(configMaps).create(configMap('m', data), dry);

const deployment: any = {
  metadata: { name: 'd', namespace: 'default' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', image: 'c', env: [{ name: 'A', value: '1' }] }] },
    },
  },
};
const onDeployments = {
  matchConstraints: { resourceRules: [rule(['deployments'], ['CREATE'], ['apps'], ['v1'])] },
};

test('configurations are merged, and the result is defaulted and seen by those who validate', async () => {
  const mutation = apply(
    `Object{
       metadata: Object.metadata{labels: {"from": request.userInfo.username.replace(":", ".")}},
       spec: Object.spec{replicas: 3, template: Object.spec.template{spec: Object.spec.template.spec{
         initContainers: [Object.spec.template.spec.initContainers{name: "i", image: "busybox"}],
         containers: object.spec.template.spec.containers.map(c,
           Object.spec.template.spec.containers{name: c.name,
             env: [Object.spec.template.spec.containers.env{name: "B", value: variables.b}]})
       }}}
     }`,
  );
  const variables = [{ name: 'b', expression: "'b' + string(object.spec.?replicas.orValue(0))" }];
  const check = { ...onDeployments, validations: [{ expression: 'object.spec.replicas == 3' }] };
  await validating(client, { policy: check }, () =>
    mutating(client, { policy: { ...onDeployments, variables, mutations: [mutation] } }, async () => {
      const made: any = await client(deployments).create(deployment, dry);
      assert.equal(made.spec.replicas, 3);
      assert.deepEqual(made.metadata.labels, { from: 'system.admin' });
      const { containers, initContainers } = made.spec.template.spec;
      assert.deepEqual(containers[0].env, [
        { name: 'A', value: '1' },
        { name: 'B', value: 'b1' },
      ]);
      assert.equal(initContainers[0].terminationMessagePolicy, 'File', 'defaulted');
    }),
  );
});

test('patches are made in their order, each for the object that the last one left', async () => {
  const mutations = [
    patch(`[JSONPatch{op: "test", path: "/data/x", value: "1"},
            JSONPatch{op: "add", path: "/data/y", value: "a" + object.data.x}]`),
    patch(`[JSONPatch{op: "replace", path: "/data/" + jsonpatch.escapeKey("x"), value: object.data.?y.orValue("none")},
            JSONPatch{op: "add", path: "/metadata/labels", value: {"a/b": "c"}},
            JSONPatch{op: "copy", from: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), path: "/data/z"}]`),
  ];
  await mutating(client, { policy: { mutations } }, async () => {
    const one = await make({ x: '1' });
    assert.deepEqual(one.data, { x: 'a1', y: 'a1', z: 'c' });
    const two = await make({ x: '2' });
    assert.deepEqual(two.data, { x: 'none', z: 'c' }, 'a patch whose test fails is not made');
  });
});

test('a mutation that cannot be made refuses, unless failures are ignored', async () => {
  const wrong: [object, RegExp][] = [
    [patch('[JSONPatch{op: "remove", path: "/data/missing"}]'), /denied request: JSON Patch: .*missing/],
    [
      apply('Object{data: {"a": object.data.missing}}'),
      /denied request: expression 'Object\{.*' resulted in error: no such key: missing$/,
    ],
    [
      apply('Object{spec: Object.spec{replicas: 1}}'),
      /error applying patch: failed to convert patch object to typed object: \.spec: field not declared in schema$/,
    ],
    [
      apply('Object{metadata: Object.wrong{name: "x"}}'),
      /type mismatch: unexpected type name "Object.wrong", expected "Object.metadata", which matches field name path from root Object type$/,
    ],
    [
      apply('Object{metadata: Object.metadata{ownerReferences: []}, data: {"a": string(1 / 0)}}'),
      /resulted in error: division by zero/,
    ],
  ];
  for (const [mutation, text] of wrong) {
    await mutating(client, { policy: { mutations: [mutation] } }, async () => {
      const error = await refused(make(), 403, text);
      assert.match(error.message, /^policy 'p' with binding 'p-b0' denied request: /);
      assert.equal(error.reason, 'Invalid');
      assert.deepEqual(error.status.details?.causes, [{ message: error.message }]);
    });
    await mutating(client, { policy: { mutations: [mutation], failurePolicy: 'Ignore' } }, async () => {
      assert.equal((await make({ a: 'b' })).data.a, 'b');
    });
  }
  const atomic = apply(
    'Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {"a": "c"}}, template: Object.spec.template{spec: Object.spec.template.spec{nodeSelector: {"a": "b"}}}}}',
  );
  await mutating(client, { policy: { ...onDeployments, mutations: [atomic] } }, async () => {
    await refused(
      client(deployments).create(deployment, dry),
      403,
      /invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \.spec\.selector, \.spec\.template\.spec\.nodeSelector$/,
    );
  });
});

test('parameters and conditions; a policy without its parameter is misconfigured', async () => {
  await client(configMaps).create(configMap('p', { value: 'v' }));
  const policy = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConditions: [
      { name: 'wanted', expression: "object.data[?'skip'].orValue('') != params.data.value" },
    ],
    mutations: [apply('Object{data: {"param": params.data.value}}')],
  };
  const paramRef = { name: 'p', parameterNotFoundAction: 'Deny' };
  await mutating(client, { policy, bindings: [{ paramRef }] }, async () => {
    assert.deepEqual((await make()).data, { param: 'v' });
    assert.deepEqual((await make({ skip: 'v' })).data, { skip: 'v' });
  });
  const missing = { ...paramRef, name: 'q' };
  await mutating(client, { policy, bindings: [{ paramRef: missing }] }, async () => {
    const error = await refused(make(), 403, 'failed to configure binding: no params found');
    assert.equal(error.reason, 'Forbidden');
  });
  await client(configMaps).delete('p', { namespace: 'default' });
});

test('what was called is called again when something has changed after it, if it wants that', async () => {
  const append = (mark: string) =>
    apply(`Object{data: {"seen": (has(object.data) ? object.data.?seen.orValue("") : "") + "${mark}"}}`);
  const both = async (reinvocationPolicy: string): Promise<string> => {
    let seen = '';
    await mutating(client, { name: 'a', policy: { mutations: [append('a')], reinvocationPolicy } }, () =>
      mutating(client, { name: 'b', policy: { mutations: [append('b')] } }, async () => {
        seen = (await make()).data.seen;
      }),
    );
    return seen;
  };
  assert.equal(await both('Never'), 'ab');
  assert.equal(await both('IfNeeded'), 'aba');
});

test('an object is changed in the version that the policy wants, and custom resources as all others', async () => {
  const matchConstraints = {
    resourceRules: [rule(['horizontalpodautoscalers'], ['CREATE'], ['autoscaling'], ['v2'])],
  };
  const mutations = [
    apply('Object{spec: Object.spec{maxReplicas: object.spec.maxReplicas + 1}}'),
    patch(
      '[JSONPatch{op: "replace", path: "/spec/metrics/0/resource/target/averageUtilization", value: 60}]',
    ),
  ];
  await mutating(client, { policy: { matchConstraints, mutations } }, async () => {
    const made = await client(horizontalPodAutoscalersV1).create(
      {
        metadata: { name: 'h', namespace: 'default' },
        spec: {
          maxReplicas: 3,
          targetCPUUtilizationPercentage: 50,
          scaleTargetRef: { kind: 'X', name: 'x' },
        },
      },
      dry,
    );
    assert.equal(made.spec?.targetCPUUtilizationPercentage, 60);
    assert.equal(made.spec?.maxReplicas, 4);
  });
  await client(customResourceDefinitions).create({
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
              properties: {
                spec: {
                  type: 'object',
                  properties: {
                    parts: {
                      ...{
                        type: 'array',
                        'x-kubernetes-list-type': 'map',
                        'x-kubernetes-list-map-keys': ['name'],
                      },
                      items: {
                        type: 'object',
                        required: ['name'],
                        properties: {
                          name: { type: 'string' },
                          'max-size': { type: 'integer' },
                          more: { type: 'string', default: 'd' },
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      ],
    },
  } as never);
  const { kind } = plane.server.registry.scheme.kind('example.com/v1', 'Widget')!;
  const policy = {
    matchConstraints: { resourceRules: [rule(['widgets'])] },
    mutations: [apply('Object{spec: Object.spec{parts: ["a", "z"].map(n, Object.spec.parts{name: n})}}')],
  };
  await mutating(client, { policy }, async () => {
    const made: any = await client(kind).create(
      { metadata: { name: 'w' }, spec: { parts: [{ name: 'a', 'max-size': 3 }] } },
      dry,
    );
    assert.deepEqual(made.spec.parts, [
      { name: 'a', 'max-size': 3, more: 'd' },
      { name: 'z', more: 'd' },
    ]);
  });
});

test('subresources are changed as the bodies that they have', async () => {
  await client(deployments).create(deployment);
  const policy = {
    matchConstraints: { resourceRules: [rule(['deployments/scale'], ['UPDATE'], ['apps'], ['v1'])] },
    mutations: [apply('Object{spec: Object.spec{replicas: 2}}')],
  };
  await mutating(client, { policy }, async () => {
    await client(deployments).patch(
      'd',
      { spec: { replicas: 9 } },
      { namespace: 'default', subresource: 'scale' },
    );
  });
  const { spec } = await client(deployments).get('d', { namespace: 'default' });
  assert.equal(spec?.replicas, 2);
  const eviction = {
    matchConstraints: { resourceRules: [rule(['pods/*', 'pods'], ['*'])] },
    mutations: [patch('has(object.spec) ? [] : [JSONPatch{op: "remove", path: "/nothing"}]')],
  };
  await mutating(client, { policy: eviction }, async () => {
    const pod = {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'c' }] },
    };
    await client(pods).create(pod as never);
    await client(pods).delete('p', { namespace: 'default', gracePeriodSeconds: 0 });
  });
});
