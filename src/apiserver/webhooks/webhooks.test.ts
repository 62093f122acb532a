import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { mutatingWebhookConfigurations } from '../../api/admissionregistration/mutating-webhook-configuration.ts';
import { validatingWebhookConfigurations } from '../../api/admissionregistration/validating-webhook-configuration.ts';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { deployments } from '../../api/apps/deployment.ts';
import { horizontalPodAutoscalersV1 } from '../../api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { pods } from '../../api/core/pod.ts';
import type { Client } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { StatusError } from '../../machinery/status.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { answerTo, type HookServer, hookServer, patchOf } from './server-fixtures.ts';

let plane: ControlPlane;
let hooks: HookServer;
let client: Client;

const add = (path: string, value: unknown) => patchOf({ op: 'add', path, value });

before(async () => {
  plane = await startControlPlane();
  client = plane.client;
  hooks = await hookServer({
    '/allow': (review) =>
      answerTo(review, { warnings: ['mind the gap'], auditAnnotations: { why: 'because' } }),
    '/deny': (review) =>
      answerTo(review, { allowed: false, status: { code: 403, message: 'not today', reason: 'Forbidden' } }),
    '/silent': (review) => answerTo(review, { allowed: false }),
    '/slow': () => undefined,
    '/broken': () => 500,
    '/other-uid': (review) => answerTo(review, { uid: 'x' }),
    '/stage-1': (review) =>
      answerTo(
        review,
        review.request.object.data?.start ? add('/data/one', review.request.object.data.two ?? 'yes') : {},
      ),
    '/stage-2': (review) => answerTo(review, review.request.object.data?.one ? add('/data/two', 'yes') : {}),
    '/init': (review) =>
      answerTo(
        review,
        add('/spec/initContainers', [{ name: 'added', image: 'x', resources: {}, nonsense: 1 }]),
      ),
    '/replicas': (review) => answerTo(review, patchOf({ op: 'replace', path: '/spec/replicas', value: 7 })),
    '/patch-delete': (review) => answerTo(review, patchOf({ op: 'add', path: '/x', value: 1 })),
  });
});
after(async () => {
  await hooks[Symbol.asyncDispose]();
  await plane.stop();
});
beforeEach(() => void hooks.seen.splice(0));

const rule = (resources: string[], operations = ['CREATE'], apiGroups = ['*'], apiVersions = ['*']) => ({
  ...{ operations, apiGroups, apiVersions, resources },
});
interface Extra {
  path: string;
  rules?: object[];
  [field: string]: unknown;
}
let next = 0;
/** Registers webhooks for the time of `run`. */
async function withHooks(
  kind: Kind<any>,
  webhooks: Extra[],
  run: () => Promise<unknown>,
  name = `config-${next++}`,
): Promise<void> {
  const object = {
    metadata: { name },
    webhooks: webhooks.map(({ path, rules = [rule(['configmaps'])], ...more }, i) => ({
      ...{ name: `hook-${i}.example.com`, sideEffects: 'None', admissionReviewVersions: ['v1', 'v1beta1'] },
      ...{ clientConfig: hooks.at(path), rules },
      ...more,
    })),
  };
  await client(kind).create(object as AnyObject);
  try {
    await run();
  } finally {
    await client(kind).delete(name);
  }
}
const validating = (webhooks: Extra[], run: () => Promise<unknown>, name?: string) =>
  withHooks(validatingWebhookConfigurations, webhooks, run, name);
const mutating = (webhooks: Extra[], run: () => Promise<unknown>, name?: string) =>
  withHooks(mutatingWebhookConfigurations, webhooks, run, name);

const configMap = (name: string, data: Record<string, string> = {}, namespace = 'default'): any => ({
  ...{ metadata: { name, namespace }, data },
});
const failure = async (promise: Promise<unknown>): Promise<StatusError> => {
  try {
    await promise;
  } catch (error) {
    return error as StatusError;
  }
  assert.fail('it went through');
};

test('a validating webhook is asked with the whole request, and what it says is what the client hears', async () => {
  await validating([{ path: '/deny', rules: [rule(['configmaps'], ['*'])] }], async () => {
    const error = await failure(
      client(configMaps).create(configMap('a', { x: '1' }), { fieldManager: 'me' }),
    );
    assert.equal(error.message, 'admission webhook "hook-0.example.com" denied the request: not today');
    assert.deepEqual([error.code, error.reason], [403, 'Forbidden']);
    const { path, query, review } = hooks.seen[0]!;
    assert.deepEqual([path, query], ['/deny', 'timeout=10s']);
    const { uid, object, userInfo, ...request } = review.request;
    assert.match(uid, /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      [object.kind, object.apiVersion, object.data, object.metadata.name],
      ['ConfigMap', 'v1', { x: '1' }, 'a'],
    );
    assert.ok(object.metadata.uid, 'validation sees what will be stored');
    assert.deepEqual(
      [userInfo.username, userInfo.groups],
      ['system:admin', ['system:masters', 'system:authenticated']],
    );
    const kind = { group: '', version: 'v1', kind: 'ConfigMap' };
    const resource = { group: '', version: 'v1', resource: 'configmaps' };
    assert.deepEqual(request, {
      ...{ kind, resource, requestKind: kind, requestResource: resource, name: 'a', namespace: 'default' },
      ...{ operation: 'CREATE', oldObject: null, dryRun: false },
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
    });
  });
  await validating([{ path: '/silent' }], async () => {
    const error = await failure(client(configMaps).create(configMap('a')));
    assert.equal(
      error.message,
      'admission webhook "hook-0.example.com" denied the request without explanation',
    );
    assert.equal(error.code, 400);
  });
});

test('updates, deletions, collections of them and dry runs', async () => {
  const all = rule(['configmaps'], ['*']);
  await client(configMaps).create(configMap('b'));
  await client(configMaps).create(configMap('c'));
  await validating([{ path: '/deny', rules: [all] }], async () => {
    await refused(client(configMaps).update(configMap('b', { y: '2' })), 403, 'not today');
    await refused(client(configMaps).patch('b', { data: { y: '3' } }, { namespace: 'default' }), 403);
    await refused(client(configMaps).delete('b', { namespace: 'default', gracePeriodSeconds: 5 }), 403);
    await refused(client(configMaps).deleteCollection({ namespace: 'default' }), 403);
    const [update, patch, deletion, ...collection] = hooks.seen.map(({ review }) => review.request);
    assert.deepEqual([update.operation, update.object.data.y, update.oldObject.data], ['UPDATE', '2', {}]);
    assert.deepEqual([patch.options.kind, patch.object.data.y], ['UpdateOptions', '3']);
    assert.deepEqual(
      [deletion.operation, deletion.object, deletion.oldObject.metadata.name, deletion.options],
      [
        ...['DELETE', null, 'b'],
        { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 5 },
      ],
    );
    assert.ok(collection.length && collection.every((r) => r.operation === 'DELETE' && r.name));
  });
  assert.equal((await client(configMaps).get('b', { namespace: 'default' })).metadata.name, 'b');
  await validating([{ path: '/allow', rules: [all] }], async () => {
    await client(configMaps).create(configMap('d'), { dryRun: 'All' });
    const { dryRun, options } = hooks.seen.at(-1)!.review.request;
    assert.deepEqual([dryRun, options.dryRun], [true, ['All']]);
  });
  await client(configMaps).delete('b', { namespace: 'default' });
  await client(configMaps).delete('c', { namespace: 'default' });
});

test('what cannot be asked fails the request, unless failurePolicy says Ignore', async () => {
  const create = () => client(configMaps).create(configMap('e'), { dryRun: 'All' });
  const cases: [Partial<Extra> & { path: string }, RegExp][] = [
    [
      { path: '/slow', timeoutSeconds: 1 },
      /^Internal error occurred: failed calling webhook "hook-0.example.com": failed to call webhook: Post "https:\/\/127.0.0.1:\d+\/slow\?timeout=1s": context deadline exceeded$/,
    ],
    [{ path: '/broken' }, /failed to call webhook: an error on the server \("no"\) has prevented/],
    [
      { path: '/allow', clientConfig: { ...hooks.at('/allow'), caBundle: '' } },
      /x509: certificate signed by unknown authority/,
    ],
    [
      { path: '/', clientConfig: { service: { namespace: 'default', name: 'gone', path: '/a' } } },
      /Post "https:\/\/gone.default.svc:443\/a\?timeout=10s": service "gone" not found/,
    ],
    [{ path: '/other-uid' }, /received invalid webhook response: expected response.uid=".*", got "x"/],
  ];
  for (const [hook, message] of cases) {
    await validating([hook], async () => {
      const error = await failure(create());
      assert.match(error.message, message);
      assert.equal(error.code, 500);
    });
    if (!hook.timeoutSeconds) await validating([{ ...hook, failurePolicy: 'Ignore' }], create);
  }
  // The older form of the review does not repeat the uid.
  await validating([{ path: '/other-uid', admissionReviewVersions: ['v1beta1'] }], async () => {
    await create();
    assert.equal(hooks.seen.at(-1)!.review.apiVersion, 'admission.k8s.io/v1beta1');
  });
});

test('mutations come one after the other, by the names of configurations, and again where it is asked for', async () => {
  const webhooks = [{ path: '/stage-1' }, { path: '/stage-2' }];
  await mutating(webhooks, async () => {
    const made = await client(configMaps).create(configMap('f', { start: 'x' }), { dryRun: 'All' });
    assert.deepEqual(made.data, { start: 'x', one: 'yes', two: 'yes' });
    const [, second] = hooks.seen;
    assert.equal(
      second!.review.request.object.metadata.uid,
      undefined,
      'the server has not done its part yet',
    );
  });
  // Of two configurations the one whose name is first comes first.
  await mutating(
    [{ path: '/stage-2' }],
    () =>
      mutating(
        [{ path: '/stage-1' }],
        async () => {
          const made = await client(configMaps).create(configMap('g', { start: 'x' }), { dryRun: 'All' });
          assert.deepEqual(made.data, { start: 'x', one: 'yes', two: 'yes' });
        },
        'a-first',
      ),
    'b-second',
  );
  hooks.seen.splice(0);
  await mutating(
    [{ path: '/stage-2' }, { path: '/stage-1', reinvocationPolicy: 'IfNeeded' }, { path: '/stage-2' }].map(
      (hook, i) => ({ ...hook, name: `h${i}.example.com` }),
    ),
    async () => {
      const made = await client(configMaps).create(configMap('h', { start: 'x' }), { dryRun: 'All' });
      assert.deepEqual(
        hooks.seen.map(({ path }) => path),
        ['/stage-2', '/stage-1', '/stage-2', '/stage-1'],
      );
      assert.deepEqual(made.data, { start: 'x', one: 'yes', two: 'yes' });
    },
  );
});

test('what a webhook adds is read and defaulted as if a client had sent it; its writer does not own it', async () => {
  const pod: any = {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }], serviceAccountName: 'default' },
  };
  await mutating([{ path: '/init', rules: [rule(['pods'])] }], async () => {
    const made = await client(pods).create(pod);
    const [added] = made.spec.initContainers!;
    assert.deepEqual(
      [added!.name, added!.terminationMessagePolicy, 'nonsense' in added!],
      ['added', 'File', false],
    );
    const { fieldsV1 } = made.metadata.managedFields![0]! as any;
    assert.deepEqual(Object.keys(fieldsV1['f:spec']).includes('f:initContainers'), false);
  });
  await mutating([{ path: '/patch-delete', rules: [rule(['pods'], ['DELETE'])] }], async () => {
    const error = await failure(client(pods).delete('p', { namespace: 'default' }));
    assert.match(error.message, /attempted to modify the object, which is not supported for this operation/);
  });
  await validating([{ path: '/deny', rules: [rule(['pods/eviction', 'pods/binding'])] }], async () => {
    await refused(
      client(pods).createSubresource('p', 'eviction', { metadata: { name: 'p' } }, { namespace: 'default' }),
      403,
      'not today',
    );
    await refused(
      client(pods).createSubresource('p', 'binding', { target: { name: 'n' } }, { namespace: 'default' }),
      403,
      'not today',
    );
    const [eviction, binding] = hooks.seen.slice(-2).map(({ review }) => review.request);
    assert.deepEqual(
      [eviction.kind, eviction.subResource, eviction.object.kind],
      [{ group: 'policy', version: 'v1', kind: 'Eviction' }, 'eviction', 'Eviction'],
    );
    assert.deepEqual([binding.object.target.name, binding.object.metadata.name], ['n', 'p']);
  });
  await client(pods).delete('p', { namespace: 'default', gracePeriodSeconds: 0 });
});

test('scale is shown as a Scale', async () => {
  const labels = { a: 'b' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await client(deployments).create({
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  } as any);
  await mutating([{ path: '/replicas', rules: [rule(['*/scale'], ['UPDATE'])] }], async () => {
    const scaled: any = await client(deployments).patch(
      'web',
      { spec: { replicas: 3 } },
      { namespace: 'default', subresource: 'scale' },
    );
    assert.equal(scaled.spec.replicas, 7);
    const { object, oldObject, kind, resource } = hooks.seen[0]!.review.request;
    assert.deepEqual(
      [kind.kind, resource.resource, object.kind, object.spec.replicas, oldObject.spec.replicas],
      ['Scale', 'deployments', 'Scale', 3, 1],
    );
  });
});

test('selectors, scopes and conditions choose', async () => {
  await client(namespaces).create({ metadata: { name: 'marked', labels: { hooks: 'yes' } } } as any);
  const asked = async (hook: Partial<Extra>, object: any): Promise<boolean> => {
    hooks.seen.splice(0);
    await validating([{ path: '/allow', ...hook }], () =>
      client(configMaps).create(object, { dryRun: 'All' }),
    );
    return hooks.seen.length > 0;
  };
  const labelled = configMap('l');
  labelled.metadata.labels = { app: 'web' };
  const only = { matchLabels: { hooks: 'yes' } };
  assert.equal(await asked({ namespaceSelector: only }, configMap('i')), false);
  assert.equal(await asked({ namespaceSelector: only }, configMap('i', {}, 'marked')), true);
  assert.equal(await asked({ objectSelector: { matchLabels: { app: 'web' } } }, configMap('i')), false);
  assert.equal(await asked({ objectSelector: { matchLabels: { app: 'web' } } }, labelled), true);
  const scoped = (scope: string) => ({ rules: [{ ...rule(['*/*']), scope }] });
  assert.equal(await asked(scoped('Cluster'), configMap('i')), false);
  assert.equal(await asked(scoped('Namespaced'), configMap('i')), true);
  const when = (...expressions: string[]) => ({
    matchConditions: expressions.map((expression, i) => ({ name: `c${i}`, expression })),
  });
  assert.equal(await asked(when("object.metadata.name != 'skip-me'"), configMap('skip-me')), false);
  assert.equal(await asked(when("object.metadata.name != 'skip-me'"), configMap('other')), true);
  assert.equal(
    await asked(when("request.userInfo.username == 'system:admin'", 'false'), configMap('i')),
    false,
  );
  assert.equal(
    await asked({ ...when('object.nothing == 1'), failurePolicy: 'Ignore' }, configMap('i')),
    false,
  );
  const error = await failure(asked(when('object.nothing == 1'), configMap('i')));
  assert.match(
    error.message,
    /^configmaps "i" is forbidden: expression 'object.nothing == 1' resulted in error: no such key: nothing$/,
  );
  await client(namespaces).delete('marked');
});

test('another version of the resource will do, unless the policy is Exact', async () => {
  const hpa: any = {
    metadata: { name: 'h', namespace: 'default' },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' },
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 50,
    },
  };
  const v2 = [rule(['horizontalpodautoscalers'], ['CREATE'], ['autoscaling'], ['v2'])];
  const create = () => client(horizontalPodAutoscalersV1).create(hpa, { dryRun: 'All' });
  await validating([{ path: '/allow', rules: v2, matchPolicy: 'Exact' }], create);
  assert.equal(hooks.seen.length, 0);
  await mutating([{ path: '/allow', rules: v2 }], () => validating([{ path: '/allow', rules: v2 }], create));
  for (const { review } of hooks.seen) {
    const { kind, requestKind, object, requestResource } = review.request;
    assert.deepEqual([kind.version, requestKind.version, requestResource.version], ['v2', 'v1', 'v1']);
    assert.deepEqual(
      [object.apiVersion, object.spec.metrics[0].resource.target.averageUtilization],
      ['autoscaling/v2', 50],
    );
  }
  assert.equal(hooks.seen.length, 2);
});

test('webhooks are never asked about webhooks, but about definitions', async () => {
  const everything = [{ path: '/deny', rules: [rule(['*/*'], ['*'])] }];
  await validating(everything, async () => {
    await mutating([{ path: '/allow', rules: [rule(['nothing'])] }], async () => {});
    const crd: any = { metadata: { name: 'as.example.com' }, spec: {} };
    crd.spec = { group: 'example.com', scope: 'Cluster', names: { plural: 'as', kind: 'A' } };
    const schema = { openAPIV3Schema: { type: 'object' } };
    crd.spec.versions = [{ name: 'v1', served: true, storage: true, schema }];
    await refused(client(customResourceDefinitions).create(crd), 403, 'not today');
  });
});

test('over a socket: warnings, connections, metrics', async () => {
  await using https = await serveControlPlane(plane);
  const path = '/api/v1/namespaces/default/configmaps';
  await validating(
    [{ path: '/allow', rules: [rule(['configmaps'], ['*'])] }, { path: '/deny' }],
    async () => {
      const body = { metadata: { name: 'w' } };
      const { code, headers } = await https.ask(path, { method: 'POST', body });
      assert.deepEqual([code, headers.warning], [403, '299 - "mind the gap"']);
    },
  );
  const pod = { metadata: { name: 'p2' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await https.ask('/api/v1/namespaces/default/pods', { method: 'POST', body: pod });
  const attached = `/api/v1/namespaces/default/pods/p2/attach?container=c&stdin=true`;
  await validating([{ path: '/deny', rules: [rule(['pods/attach'], ['CONNECT'])] }], async () => {
    const { code, json } = await https.ask(attached, { method: 'POST' });
    assert.deepEqual(
      [code, json.message],
      [403, 'admission webhook "hook-0.example.com" denied the request: not today'],
    );
    const { operation, name, kind, object, options } = hooks.seen.at(-1)!.review.request;
    assert.deepEqual(
      [operation, name, kind.kind, object, options],
      [
        ...['CONNECT', 'p2', 'PodAttachOptions'],
        { kind: 'PodAttachOptions', apiVersion: 'v1', stdin: true, container: 'c' },
        null,
      ],
    );
  });
  const { text } = await https.ask('/metrics');
  assert.match(
    text,
    /apiserver_admission_webhook_rejection_count\{name="hook-0.example.com",type="validating",operation="CONNECT",error_type="no_error",rejection_code="403"\} 1/,
  );
  assert.match(
    text,
    /apiserver_admission_webhook_fail_open_count\{name="hook-0.example.com",type="validating"\} \d/,
  );
});

test('configurations are checked', async () => {
  const base = {
    ...{ name: 'a.example.com', sideEffects: 'None', admissionReviewVersions: ['v1'] },
    ...{ clientConfig: { url: 'https://localhost/' }, rules: [rule(['pods'])] },
  };
  const check = (change: object) =>
    failure(
      client(validatingWebhookConfigurations).create({
        metadata: { name: 'bad' },
        webhooks: [{ ...base, ...change }],
      } as any),
    );
  const bad = { matchConditions: [{ name: 'x', expression: '... [] bad expression' }] };
  const error = await check(bad);
  assert.match(
    error.message,
    /webhooks\[0\]\.matchConditions\[0\]\.expression: Invalid value: "\.\.\. \[\] bad expression": compilation failed: ERROR: <input>:1:/,
  );
  for (const [change, message] of [
    [{ name: 'a' }, 'should be a domain with at least three segments separated by dots'],
    [{ sideEffects: undefined }, 'must specify one of None, NoneOnDryRun'],
    [{ admissionReviewVersions: ['v9'] }, 'must include at least one of v1, v1beta1'],
    [{ matchConditions: [{ name: 'x', expression: 'nobody == 1' }] }, "undeclared reference to 'nobody'"],
  ] as const)
    assert.ok((await check(change)).message.includes(message), message);
});
