import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allKinds } from '../api/all.ts';
import { controllerRevisions } from '../api/apps/controller-revision.ts';
import { daemonSets } from '../api/apps/daemon-set.ts';
import { deployments } from '../api/apps/deployment.ts';
import { replicaSets } from '../api/apps/replica-set.ts';
import { statefulSets } from '../api/apps/stateful-set.ts';
import type { Deployment } from '../api/apps/v1.gen.ts';
import { jobs } from '../api/batch/job.ts';
import { configMaps } from '../api/core/config-map.ts';
import { endpoints } from '../api/core/endpoints.ts';
import { namespaces } from '../api/core/namespace.ts';
import { nodes } from '../api/core/node.ts';
import { persistentVolumes } from '../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../api/core/persistent-volume-claim.ts';
import { pods } from '../api/core/pod.ts';
import { resourceQuotas } from '../api/core/resource-quota.ts';
import { secrets } from '../api/core/secret.ts';
import { services } from '../api/core/service.ts';
import { serviceAccounts } from '../api/core/service-account.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/core/v1.gen.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import { serviceCIDRs } from '../api/networking/service-cidr.ts';
import { podDisruptionBudgets } from '../api/policy/pod-disruption-budget.ts';
import { clusterRoles } from '../api/rbac/cluster-role.ts';
import { storageClasses } from '../api/storage/storage-class.ts';
import { controllerUser } from '../cluster/identities.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { createLog } from '../machinery/log.ts';
import { isNotFound } from '../machinery/status.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { runPods, until } from './flow-fixtures.ts';
import { startControllerManager } from './start.ts';

let plane: ControlPlane;
let manager: AsyncDisposable;
let kubelet: () => void;
const log = createLog((level, message, fields) => {
  if (level === 'warn' || level === 'error') console.error(level, message, fields);
});

before(async () => {
  plane = await startControlPlane();
  const { client, informers, trace } = plane;
  manager = await startControllerManager({
    // As in a real cluster: each controller may do only what the bootstrap policy lets it do.
    clientFor: (name) =>
      plane.clientFor(controllerUser(name), ['system:serviceaccounts', 'system:authenticated']),
    rootCA: 'PEM',
    mintToken: async ({ name }) => `token of ${name}`,
    client,
    informers,
    trace,
    clock: systemClock,
    random: systemRandom,
    log,
    kinds: allKinds,
    discover: plane.discover,
  });
  kubelet = runPods(plane);
});
after(async () => {
  kubelet();
  await manager[Symbol.asyncDispose]();
  await plane.stop();
});

const deployment = (name: string, image: string, replicas: number): Deployment => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    progressDeadlineSeconds: 600,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

test('a deployment rolls out, updates, scales and goes', async () => {
  const { client } = plane;
  const namespace = 'default';
  await client(deployments).create(deployment('web', 'v1', 4));
  const done = (image: string) =>
    until(`rollout of ${image}`, async () => {
      const { metadata, spec, status } = await client(deployments).get('web', { namespace });
      const progressing = status?.conditions?.find((c) => c.type === 'Progressing');
      return (
        spec.template.spec.containers[0]!.image === image &&
        progressing?.reason === 'NewReplicaSetAvailable' &&
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === status?.replicas &&
        status?.availableReplicas === status?.replicas
      );
    });
  await done('v1');
  const first = await client(pods).list({ namespace, labelSelector: 'app=web' });
  assert.equal(first.items.length, 4);
  const owner = first.items[0]!.metadata.ownerReferences![0]!;
  assert.equal(owner.kind, 'ReplicaSet');
  assert.match(first.items[0]!.metadata.name!, new RegExp(`^${owner.name}-.{5}$`));

  await client(deployments).patch(
    'web',
    { spec: { template: { spec: { containers: [{ name: 'c', image: 'v2' }] } } } },
    { namespace, type: 'strategic' },
  );
  await done('v2');
  await until('old pods are gone', async () => {
    const all = await client(pods).list({ namespace, labelSelector: 'app=web' });
    return all.items.length === 4 && all.items.every((p) => p.spec.containers[0]!.image === 'v2');
  });
  const sets = await client(replicaSets).list({ namespace });
  assert.deepEqual(sets.items.map((rs) => rs.spec.replicas).sort(), [0, 4]);
  const { metadata } = await client(deployments).get('web', { namespace });
  assert.equal(metadata.annotations?.['deployment.kubernetes.io/revision'], '2');

  await client(deployments).patch('web', { spec: { replicas: 1 } }, { namespace });
  await until('scaled', async () => (await client(pods).list({ namespace })).items.length === 1);
  const steps = plane.trace.where((r) => r.component === 'controller-manager').map((r) => r.event);
  for (const event of ['deployment seen', 'replica set created', 'pod created'])
    assert.ok(steps.includes(event), event);
});

test('endpoints follow pods: ready, not ready, terminating, named ports', async () => {
  const { client } = plane;
  const namespace = 'ep';
  await client(namespaces).create({ metadata: { name: namespace }, spec: { finalizers: ['kubernetes'] } });
  await client(services).create({
    metadata: { name: 'svc', namespace },
    spec: { selector: { app: 'svc' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
  });
  const pod = (name: string, containerPort: number): Pod => ({
    metadata: { name, namespace, labels: { app: 'svc' } },
    spec: { containers: [{ name: 'c', image: 'x', ports: [{ name: 'web', containerPort }] }], nodeName: 'n' },
  });
  const slices = async () => (await client(endpointSlices).list({ namespace })).items;
  await until('an empty slice', async () => (await slices()).length === 1);
  await client(pods).create(pod('a', 8080));
  await client(pods).create(pod('b', 8080));
  await client(pods).create(pod('c', 9090));
  await until('two groups of ready endpoints', async () => {
    const all = await slices();
    const ready = all.flatMap((s) => (s.endpoints ?? []).filter((e) => e.conditions?.ready));
    return all.length === 2 && ready.length === 3;
  });
  const object = await client(endpoints).get('svc', { namespace });
  assert.deepEqual(
    object.subsets?.map((s) => [s.ports?.[0]?.port, s.addresses?.length]),
    [
      [8080, 2],
      [9090, 1],
    ],
  );
  await client(pods).delete('c', { namespace });
  await until('the slice is gone with its last pod', async () => {
    const all = await slices();
    return all.length === 1 && all[0]!.ports?.[0]?.port === 8080;
  });
  assert.ok(plane.trace.of('pods', namespace, 'a').some((r) => r.step === 8 && r.event === 'endpoint added'));
});

test('a namespace gets what it needs, and is emptied when it goes', async () => {
  const { client } = plane;
  const namespace = 'short-lived';
  await client(namespaces).create({ metadata: { name: namespace }, spec: { finalizers: ['kubernetes'] } });
  const has = async (get: Promise<unknown>) => {
    try {
      await get;
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  };
  await until(
    'account and CA',
    async () =>
      (await has(client(serviceAccounts).get('default', { namespace }))) &&
      (await has(client(configMaps).get('kube-root-ca.crt', { namespace }))),
  );
  await client(secrets).create({
    metadata: { name: 'token', namespace, annotations: { 'kubernetes.io/service-account.name': 'default' } },
    type: 'kubernetes.io/service-account-token',
  });
  await until(
    'token',
    async () =>
      atob((await client(secrets).get('token', { namespace })).data?.token ?? '') === 'token of default',
  );
  await client(deployments).create({ ...deployment('web', 'v1', 2), metadata: { name: 'web', namespace } });
  await until('pods', async () => (await client(pods).list({ namespace })).items.length === 2);
  await client(namespaces).delete(namespace);
  await until('the namespace is gone', async () => !(await has(client(namespaces).get(namespace))));
  assert.equal((await client(pods).list({ namespace })).items.length, 0);
  assert.equal((await client(replicaSets).list({ namespace })).items.length, 0);
});

test('the garbage collector: background, foreground, orphan, and owners that are gone', async () => {
  const { client } = plane;
  const namespace = 'gc';
  await client(namespaces).create({ metadata: { name: namespace }, spec: { finalizers: ['kubernetes'] } });
  const podsThere = async () => (await client(pods).list({ namespace })).items.length;
  const setsThere = async () => (await client(replicaSets).list({ namespace })).items;
  const make = async (name: string) => {
    await client(deployments).create({ ...deployment(name, 'v1', 2), metadata: { name, namespace } });
    await until(
      `pods of ${name}`,
      async () => (await client(pods).list({ namespace, labelSelector: `app=${name}` })).items.length === 2,
    );
  };
  const gone = async (name: string) =>
    (await client(deployments).list({ namespace })).items.every((d) => d.metadata.name !== name);

  await make('background');
  await client(deployments).delete('background', { namespace, propagationPolicy: 'Background' });
  await until('all gone', async () => (await setsThere()).length === 0 && (await podsThere()) === 0);

  await make('foreground');
  await client(deployments).delete('foreground', { namespace, propagationPolicy: 'Foreground' });
  await until('the owner goes last', () => gone('foreground'));
  assert.equal((await setsThere()).length + (await podsThere()), 0);

  await make('orphan');
  await client(deployments).delete('orphan', { namespace, propagationPolicy: 'Orphan' });
  await until('the owner is gone', () => gone('orphan'));
  const [left] = await setsThere();
  assert.equal(left!.metadata.ownerReferences, undefined);
  assert.equal(await podsThere(), 2);

  const ghost = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'never-was', uid: '0000-1111' };
  await client(configMaps).create({ metadata: { name: 'stray', namespace, ownerReferences: [ghost] } });
  await until('the stray is gone', async () =>
    (await client(configMaps).list({ namespace })).items.every((c) => c.metadata.name !== 'stray'),
  );
});

test('a daemon set has one pod on each node that it may be on', async () => {
  const { client } = plane;
  const namespace = 'default';
  for (const name of ['d1', 'd2', 'd3'])
    await client(nodes).create({
      metadata: { name, labels: { disk: name === 'd3' ? 'slow' : 'fast' } },
      spec: {},
    });
  await client(daemonSets).create({
    metadata: { name: 'agent', namespace },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      updateStrategy: { type: 'RollingUpdate' },
      template: {
        metadata: { labels: { app: 'agent' } },
        spec: { nodeSelector: { disk: 'fast' }, containers: [{ name: 'c', image: 'v1' }] },
      },
    },
  });
  const its = async () => (await client(pods).list({ namespace, labelSelector: 'app=agent' })).items;
  const done = (image: string) =>
    until(`daemons of ${image}`, async () => {
      const { status } = await client(daemonSets).get('agent', { namespace });
      const all = await its();
      return (
        status?.numberAvailable === 2 &&
        status.updatedNumberScheduled === 2 &&
        all.every((p) => p.spec.containers[0]!.image === image)
      );
    });
  await done('v1');
  await client(daemonSets).patch(
    'agent',
    { spec: { template: { spec: { containers: [{ name: 'c', image: 'v2' }] } } } },
    { namespace, type: 'strategic' },
  );
  await done('v2');
  const revisions = await client(controllerRevisions).list({ namespace });
  assert.deepEqual(revisions.items.map((r) => r.revision).sort(), [1, 2]);
  await client(nodes).patch('d2', { metadata: { labels: { disk: 'slow' } } });
  await until('one left', async () => (await its()).length === 1);
});

test('a stateful set comes up in order, with claims', async () => {
  const { client } = plane;
  const namespace = 'default';
  await client(statefulSets).create({
    metadata: { name: 'db', namespace },
    spec: {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
  const names = async () =>
    (await client(pods).list({ namespace, labelSelector: 'app=db' })).items
      .map((p) => p.metadata.name)
      .sort();
  await until(
    'three',
    async () => (await client(statefulSets).get('db', { namespace })).status?.readyReplicas === 3,
  );
  assert.deepEqual(await names(), ['db-0', 'db-1', 'db-2']);
  const claims = await client(persistentVolumeClaims).list({ namespace });
  assert.deepEqual(claims.items.map((c) => c.metadata.name).sort(), ['data-db-0', 'data-db-1', 'data-db-2']);
  await client(statefulSets).patch('db', { spec: { replicas: 1 } }, { namespace });
  await until('one', async () => (await names()).length === 1);
});

test('a job runs to completion', async () => {
  const { client } = plane;
  const namespace = 'default';
  await client(jobs).create({
    metadata: { name: 'sum', namespace },
    spec: {
      completions: 3,
      parallelism: 2,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } },
    },
  });
  const ends = plane.informers(pods).on({
    update({ metadata, status }) {
      if (!metadata.labels?.['batch.kubernetes.io/job-name'] || status?.phase !== 'Running') return;
      void client(pods).patch(
        metadata.name!,
        { status: { phase: 'Succeeded' } },
        { namespace, subresource: 'status' },
      );
    },
  });
  await until(
    'complete',
    async () => !!(await client(jobs).get('sum', { namespace })).status?.completionTime,
  );
  ends();
  const { status } = await client(jobs).get('sum', { namespace });
  assert.equal(status?.succeeded, 3);
  assert.deepEqual(
    status?.conditions?.map((c) => c.type),
    ['SuccessCriteriaMet', 'Complete'],
  );
  const left = await client(pods).list({ namespace, labelSelector: 'batch.kubernetes.io/job-name=sum' });
  assert.deepEqual(
    left.items.map((p) => p.metadata.finalizers ?? []),
    [[], [], []],
  );
});

test('claims are bound: to a volume that is there, and to one that is made', async () => {
  const { client } = plane;
  const namespace = 'default';
  const claim = (name: string, storageClassName: string): PersistentVolumeClaim => ({
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage: '1Gi' } } },
  });
  const volume = (name: string, storage: string): PersistentVolume => ({
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'manual',
      hostPath: { path: '/tmp/x' },
      persistentVolumeReclaimPolicy: 'Retain',
    },
  });
  await client(persistentVolumes).create(volume('large', '10Gi'));
  await client(persistentVolumes).create(volume('small', '2Gi'));
  await client(persistentVolumes).create(volume('tiny', '500Mi'));
  const phase = async (name: string) =>
    (await client(persistentVolumeClaims).get(name, { namespace })).status?.phase;
  const volumePhase = async (name: string) => (await client(persistentVolumes).get(name)).status?.phase;
  await until(
    'available',
    async () => (await volumePhase('small')) === 'Available' && (await volumePhase('large')) === 'Available',
  );
  await client(persistentVolumeClaims).create(claim('static', 'manual'));
  await until(
    'bound',
    async () => (await phase('static')) === 'Bound' && (await volumePhase('small')) === 'Bound',
  );
  assert.equal((await client(persistentVolumeClaims).get('static', { namespace })).spec.volumeName, 'small');
  await client(persistentVolumeClaims).delete('static', { namespace });
  await until('released', async () => (await volumePhase('small')) === 'Released');

  await client(storageClasses).create({
    metadata: { name: 'made' },
    provisioner: 'wherry.io/host-path',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
  });
  await client(persistentVolumeClaims).create(claim('dynamic', 'made'));
  await until('made and bound', async () => (await phase('dynamic')) === 'Bound');
  const made = (await client(persistentVolumeClaims).get('dynamic', { namespace })).spec.volumeName!;
  await client(persistentVolumeClaims).delete('dynamic', { namespace });
  await until('gone with its claim', async () =>
    (await client(persistentVolumes).list()).items.every((v) => v.metadata.name !== made),
  );
});

test('quotas, budgets and aggregated roles keep their numbers', async () => {
  const { client } = plane;
  const namespace = 'numbers';
  await client(namespaces).create({ metadata: { name: namespace }, spec: {} });
  await client(resourceQuotas).create({
    metadata: { name: 'q', namespace },
    spec: { hard: { pods: '10', 'requests.cpu': '2', 'count/deployments.apps': '5' } },
  });
  await client(podDisruptionBudgets).create({
    metadata: { name: 'b', namespace },
    spec: { minAvailable: '50%', selector: { matchLabels: { app: 'web' } } },
  });
  const web = deployment('web', 'v1', 4);
  web.spec.template.spec.containers[0]!.resources = { requests: { cpu: '250m' } };
  await client(deployments).create({ ...web, metadata: { name: 'web', namespace } });
  await until('used', async () => {
    const { used } = (await client(resourceQuotas).get('q', { namespace })).status ?? {};
    return used?.pods === '4' && used['requests.cpu'] === '1' && used['count/deployments.apps'] === '1';
  });
  await until('allowed', async () => {
    const { status } = await client(podDisruptionBudgets).get('b', { namespace });
    return status?.disruptionsAllowed === 2 && status.desiredHealthy === 2 && status.expectedPods === 4;
  });
  await client(deployments).delete('web', { namespace });
  await until(
    'free',
    async () => (await client(resourceQuotas).get('q', { namespace })).status?.used?.pods === '0',
  );

  const rule = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
  await client(clusterRoles).create({
    metadata: { name: 'sum' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] },
    rules: [],
  });
  await client(clusterRoles).create({ metadata: { name: 'part', labels: { part: 'yes' } }, rules: [rule] });
  await until('aggregated', async () => (await client(clusterRoles).get('sum')).rules?.length === 1);
});

test('a range of service addresses is ready, and goes when none of its addresses is in use', async () => {
  const cidrs = plane.client(serviceCIDRs);
  const readyOf = async (name: string) =>
    (await cidrs.get(name)).status?.conditions?.find(({ type }) => type === 'Ready');
  await cidrs.create({ metadata: { name: 'second' }, spec: { cidrs: ['10.200.0.0/24'] } });
  await until('the range is ready', async () => (await readyOf('second'))?.status === 'True');
  await plane.client(services).create({
    metadata: { name: 'ranged', namespace: 'default' },
    spec: { clusterIP: '10.200.0.77', ports: [{ port: 80 }], selector: { a: 'b' } },
  });
  await cidrs.delete('second');
  await until('it is held', async () => (await readyOf('second'))?.reason === 'Terminating');
  await plane.client(services).delete('ranged', { namespace: 'default' });
  await until('it is gone', async () => (await cidrs.list()).items.length === 1);
});
