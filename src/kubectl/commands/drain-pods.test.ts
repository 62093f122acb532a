import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notFound } from '../../machinery/status.ts';
import type { Kube } from '../kube.ts';
import { planDrain } from './drain-pods.ts';

const owned = (kind: string, apiVersion = 'apps/v1') => ({
  ownerReferences: [{ kind, apiVersion, name: 'owner', uid: 'u', controller: true }],
});
const pod = (name: string, metadata: object = {}, more: { volumes?: object[]; phase?: string } = {}) => ({
  metadata: { name, namespace: 'ns', ...metadata },
  spec: { volumes: more.volumes },
  status: { phase: more.phase ?? 'Running' },
});
const rules = {
  force: false,
  ignoreDaemonSets: false,
  deleteEmptyDirData: false,
  podSelector: '',
  chunkSize: 0,
};

/** A cluster with these pods; its daemon sets are there or gone. */
const kubeWith = (items: object[], daemonSetExists = true) =>
  ({
    listAll: async () => ({ items }),
    get: async () => {
      if (daemonSetExists) return {};
      throw notFound({ group: 'apps', plural: 'daemonsets' } as never, 'owner');
    },
  }) as unknown as Kube;

test('what stands in the way is said, all of it', async () => {
  const pods = [
    pod('alone'),
    pod('daemon', owned('DaemonSet')),
    pod('local', owned('ReplicaSet'), { volumes: [{ emptyDir: {} }] }),
    pod('plain', owned('ReplicaSet')),
  ];
  const plan = await planDrain(kubeWith(pods), 'n', rules);
  assert.deepEqual(
    plan.pods.map((p) => p.metadata.name),
    ['plain'],
  );
  assert.equal(plan.errors.length, 3);
  assert.match(
    plan.errors.join('; '),
    /DaemonSet-managed Pods .*: ns\/daemon; .*local storage .*: ns\/local/,
  );
});

test('flags let pods go, with a warning; daemons stay', async () => {
  const pods = [pod('alone'), pod('two'), pod('daemon', owned('DaemonSet'))];
  const plan = await planDrain(kubeWith(pods), 'n', { ...rules, force: true, ignoreDaemonSets: true });
  assert.deepEqual(plan.errors, []);
  assert.equal(plan.pods.length, 2);
  assert.equal(
    plan.warnings,
    'deleting Pods that declare no controller: ns/alone, ns/two; ignoring DaemonSet-managed Pods: ns/daemon',
  );
});

test('what has ended goes as it is, what belongs to the node stays', async () => {
  const pods = [
    pod('over', {}, { phase: 'Succeeded', volumes: [{ emptyDir: {} }] }),
    pod('static', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
  ];
  const plan = await planDrain(kubeWith(pods), 'n', rules);
  assert.deepEqual([plan.pods.map((p) => p.metadata.name), plan.errors, plan.warnings], [['over'], [], '']);
});

test('a daemon whose set is gone goes by force only', async () => {
  const pods = [pod('orphan', owned('DaemonSet'))];
  const { errors } = await planDrain(kubeWith(pods, false), 'n', rules);
  assert.match(errors[0]!, /daemonsets.apps "owner" not found: ns\/orphan/);
  assert.equal((await planDrain(kubeWith(pods, false), 'n', { ...rules, force: true })).pods.length, 1);
});
