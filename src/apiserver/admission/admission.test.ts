import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import { limitRanges } from '../../api/core/limit-range.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { persistentVolumeClaims } from '../../api/core/persistent-volume-claim.ts';
import { pods } from '../../api/core/pod.ts';
import { resourceQuotas } from '../../api/core/resource-quota.ts';
import { services } from '../../api/core/service.ts';
import { serviceAccounts } from '../../api/core/service-account.ts';
import { ingresses } from '../../api/networking/ingress.ts';
import { ingressClasses } from '../../api/networking/ingress-class.ts';
import { runtimeClasses } from '../../api/node/runtime-class.ts';
import { priorityClasses } from '../../api/scheduling/priority-class.ts';
import { storageClasses } from '../../api/storage/storage-class.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { podSecurityViolations } from './pod-security-checks.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client } = plane;
let n = 0;
/** A namespace of its own for each test, with its service account. */
async function space(labels = {}): Promise<string> {
  const name = `space-${n++}`;
  await client(namespaces).create({ metadata: { name, labels }, spec: {} });
  await client(serviceAccounts).create({ metadata: { name: 'default', namespace: name } });
  return name;
}
const pod = (namespace: string, name: string, resources: object = {}, more: object = {}): any => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'i', resources }], ...more },
});
const claim = (namespace: string, name: string, storage = '1Gi', more: object = {}): any => ({
  metadata: { name, namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more },
});

test('limit ranges give defaults and set bounds', async () => {
  const namespace = await space();
  await client(limitRanges).create({
    metadata: { name: 'l', namespace },
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '500m', memory: '256Mi' },
          defaultRequest: { cpu: '100m' },
          min: { cpu: '50m' },
          max: { cpu: '1' },
          maxLimitRequestRatio: { cpu: '10' },
        },
        { type: 'Pod', max: { memory: '1Gi' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '5Gi' } },
      ],
    },
  });
  const made = await client(pods).create(pod(namespace, 'a'));
  assert.deepEqual(made.spec!.containers[0]!.resources, {
    limits: { cpu: '500m', memory: '256Mi' },
    requests: { cpu: '100m', memory: '256Mi' },
  });
  assert.match(
    made.metadata.annotations!['kubernetes.io/limit-ranger']!,
    /^LimitRanger plugin set: cpu, memory limit/,
  );
  const cpu = (request: string, limit: string) => ({ requests: { cpu: request }, limits: { cpu: limit } });
  const bad = (name: string, resources: object, why: string) =>
    refused(client(pods).create(pod(namespace, name, resources)), 403, why);
  await bad('small', cpu('10m', '50m'), 'minimum cpu usage per Container is 50m, but request is 10m');
  await bad('big', cpu('1', '2'), 'maximum cpu usage per Container is 1, but limit is 2');
  await bad(
    'wide',
    cpu('50m', '1'),
    'cpu max limit to request ratio per Container is 10, but provided ratio is 20.000000',
  );
  await bad('fat', { limits: { memory: '2Gi' } }, 'maximum memory usage per Pod is 1Gi, but limit is 2Gi');
  await refused(
    client(persistentVolumeClaims).create(claim(namespace, 'p', '10Gi')),
    403,
    'but request is 10Gi',
  );
  await client(persistentVolumeClaims).create(claim(namespace, 'p', '2Gi'));
});

test('a quota is not exceeded, however many ask at once', async () => {
  const namespace = await space();
  const quota = await client(resourceQuotas).create({
    metadata: { name: 'q', namespace },
    spec: { hard: { pods: '5', 'requests.cpu': '2', 'services.nodeports': '1' } },
  });
  const wanted = { requests: { cpu: '100m' } };
  await refused(
    client(pods).create(pod(namespace, 'early', wanted)),
    403,
    'status unknown for quota: q, resources: pods,requests.cpu',
  );
  await client(resourceQuotas).patch(
    'q',
    {
      status: { hard: quota.spec!.hard, used: { pods: '0', 'requests.cpu': '0', 'services.nodeports': '0' } },
    },
    { namespace, subresource: 'status' },
  );
  await refused(
    client(pods).create(pod(namespace, 'silent')),
    403,
    'failed quota: q: must specify requests.cpu for: c',
  );
  await client(pods).create(pod(namespace, 'dry', wanted), { dryRun: 'All' });
  const tries = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => client(pods).create(pod(namespace, `p${i}`, wanted))),
  );
  assert.equal(tries.filter((t) => t.status === 'fulfilled').length, 5);
  const { used } = (await client(resourceQuotas).get('q', { namespace })).status!;
  assert.deepEqual([used!.pods, used!['requests.cpu']], ['5', '500m']);
  await refused(client(pods).create(pod(namespace, 'Bad_Name', wanted)), 422);
  const error = await refused(client(pods).create(pod(namespace, 'more', wanted)), 403);
  assert.equal(
    error.message,
    'pods "more" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5',
  );
  await refused(client(pods).create(pod(namespace, 'p0', wanted)), 409);
  const service = (name: string, type: string): any => ({
    metadata: { name, namespace },
    spec: { type, ports: [{ port: 80 }] },
  });
  await client(services).create(service('a', 'NodePort'));
  await client(services).create(service('b', 'ClusterIP'));
  await refused(
    client(services).patch('b', { spec: { type: 'NodePort' } }, { namespace }),
    403,
    'exceeded quota',
  );
});

test('default classes, and finalizers of storage', async () => {
  const namespace = await space();
  const none = await client(persistentVolumeClaims).create(claim(namespace, 'none'));
  assert.equal(none.spec!.storageClassName, undefined);
  assert.deepEqual(none.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  await client(storageClasses).create({
    metadata: { name: 'std', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'x.y/z',
  });
  assert.equal(
    (await client(persistentVolumeClaims).create(claim(namespace, 'some'))).spec!.storageClassName,
    'std',
  );
  const empty = claim(namespace, 'empty', '1Gi', { storageClassName: '' });
  assert.equal((await client(persistentVolumeClaims).create(empty)).spec!.storageClassName, '');
  await client(ingressClasses).create({
    metadata: { name: 'nginx', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
    spec: { controller: 'x.y/z' },
  });
  const ingress = await client(ingresses).create({
    metadata: { name: 'i', namespace },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  });
  assert.equal(ingress.spec!.ingressClassName, 'nginx');
});

test('a runtime class states its overhead and where it is to be had', async () => {
  const namespace = await space();
  await client(runtimeClasses).create({
    metadata: { name: 'vm' },
    handler: 'vm',
    overhead: { podFixed: { cpu: '250m' } },
    scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
  });
  const made = await client(pods).create(pod(namespace, 'a', {}, { runtimeClassName: 'vm' }));
  assert.deepEqual(made.spec!.overhead, { cpu: '250m' });
  assert.deepEqual(made.spec!.nodeSelector, { vm: 'yes' });
  assert.ok(made.spec!.tolerations!.some((t) => t.key === 'vm'));
  const bad = (more: object) =>
    refused(client(pods).create(pod(namespace, 'b', {}, more)), 403, 'pod rejected');
  await bad({ runtimeClassName: 'none' });
  await bad({ overhead: { cpu: '1' } });
  await bad({ runtimeClassName: 'vm', overhead: { cpu: '1' } });
  await bad({ runtimeClassName: 'vm', nodeSelector: { vm: 'no' } });
});

test('a pod that is replaced by its file keeps what admission filled in', async () => {
  const namespace = await space();
  const file = pod(
    namespace,
    'a',
    {},
    { automountServiceAccountToken: false, serviceAccountName: 'default' },
  );
  const made = await client(pods).create(structuredClone(file));
  const spec = { ...file.spec, serviceAccount: 'default', containers: made.spec!.containers };
  const next = await client(pods).update({
    ...file,
    metadata: { ...file.metadata, labels: { a: 'b' } },
    spec,
  });
  assert.deepEqual(next.spec!.tolerations, made.spec!.tolerations);
  assert.equal(next.spec!.priority, made.spec!.priority);
  assert.equal(next.metadata.labels!.a, 'b');
});

const safe = {
  securityContext: {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
const violations = (level: 'baseline' | 'restricted', container: object, spec: object = {}) =>
  podSecurityViolations(level, {}, {
    containers: [{ name: 'c', image: 'i', ...container }],
    ...spec,
  } as never).map((text) => text.split(' (')[0]);

test('the controls of the pod security standards', () => {
  assert.deepEqual(violations('restricted', safe), []);
  assert.deepEqual(violations('baseline', {}), []);
  assert.deepEqual(violations('restricted', {}), [
    'allowPrivilegeEscalation != false',
    'unrestricted capabilities',
    'runAsNonRoot != true',
    'seccompProfile',
  ]);
  const context = (securityContext: object) => ({ securityContext });
  for (const [container, spec, expected] of [
    [{}, { hostNetwork: true }, 'host namespaces'],
    [context({ privileged: true }), {}, 'privileged'],
    [context({ capabilities: { add: ['SYS_ADMIN'] } }), {}, 'non-default capabilities'],
    [{}, { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes'],
    [{ ports: [{ containerPort: 1, hostPort: 1 }] }, {}, 'hostPort'],
    [context({ seLinuxOptions: { type: 'spc_t' } }), {}, 'seLinuxOptions'],
    [context({ procMount: 'Unmasked' }), {}, 'procMount'],
    [{}, context({ seccompProfile: { type: 'Unconfined' } }), 'seccompProfile'],
    [{}, context({ sysctls: [{ name: 'kernel.msgmax', value: '1' }] }), 'forbidden sysctls'],
    [context({ appArmorProfile: { type: 'Unconfined' } }), {}, 'forbidden AppArmor profile'],
  ] as const)
    assert.deepEqual(violations('baseline', container, spec), [expected]);
  assert.deepEqual(violations('restricted', safe, { volumes: [{ name: 'v', nfs: {} }] }), [
    'restricted volume types',
  ]);
  assert.deepEqual(violations('restricted', safe, context({ runAsUser: 0 })), ['runAsUser=0']);
});

test('levels that a namespace states', async () => {
  const label = 'pod-security.kubernetes.io/';
  const namespace = await space({ [`${label}enforce`]: 'baseline', [`${label}warn`]: 'restricted' });
  const error = await refused(
    client(pods).create(pod(namespace, 'host', {}, { hostNetwork: true })),
    403,
    'pods "host" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
  );
  assert.equal(error.reason, 'Forbidden');
  const https = await serveControlPlane(plane);
  const send = (path: string, body: object, method = 'POST') =>
    https.ask(path, {
      method,
      body,
      headers: { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' },
    });
  const warned = await send(`/api/v1/namespaces/${namespace}/pods`, pod(namespace, 'plain'));
  assert.equal(warned.code, 201);
  assert.match(
    String(warned.headers.warning),
    /would violate PodSecurity \\"restricted:latest\\": allowPriv/,
  );
  const template = { metadata: { labels: { a: 'b' } }, spec: pod('', '', {}, { hostPID: true }).spec };
  await client(deployments).create({
    metadata: { name: 'd', namespace },
    spec: { selector: { matchLabels: { a: 'b' } }, template },
  });
  const stricter = await send(
    `/api/v1/namespaces/${namespace}`,
    { metadata: { labels: { [`${label}enforce`]: 'restricted' } } },
    'PATCH',
  );
  assert.equal(stricter.code, 200);
  assert.match(
    String(stricter.headers.warning),
    /existing pods in namespace .* violate .*plain: allowPrivilege/,
  );
  await client(pods).patch('plain', { metadata: { labels: { a: 'b' } } }, { namespace });
  await refused(
    client(pods).create(pod(namespace, 'q')),
    403,
    'runAsNonRoot != true (pod or container "c" must set',
  );
  await client(pods).create({
    metadata: { name: 'fine', namespace },
    spec: { containers: [{ name: 'c', image: 'i', ...safe }] },
  });
  await refused(
    client(namespaces).patch(namespace, { metadata: { labels: { [`${label}enforce`]: 'x' } } }),
    422,
  );
  await https[Symbol.asyncDispose]();
});

test('priority comes from the class', async () => {
  const namespace = await space();
  await client(priorityClasses).create({ metadata: { name: 'high' }, value: 100, preemptionPolicy: 'Never' });
  const made = await client(pods).create(pod(namespace, 'a', {}, { priorityClassName: 'high' }));
  assert.deepEqual([made.spec!.priority, made.spec!.preemptionPolicy], [100, 'Never']);
  await refused(client(pods).create(pod(namespace, 'b', {}, { priorityClassName: 'none' })), 403);
  await refused(client(pods).create(pod(namespace, 'b', {}, { priority: 7 })), 403, 'must not be provided');
});
