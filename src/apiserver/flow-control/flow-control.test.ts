import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { flowSchemas } from '../../api/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../api/flowcontrol/priority-level-configuration.ts';
import { isInvalid, isNotFound } from '../../machinery/status.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const { ask } = https;
const schemas = plane.client(flowSchemas);
const levels = plane.client(priorityLevelConfigurations);

async function until<T>(check: () => Promise<T | undefined | false>): Promise<T> {
  for (let i = 0; i < 200; i++) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come to that');
}
const dangling = async (name: string) =>
  (await schemas.get(name)).status?.conditions?.find((c) => c.type === 'Dangling');

test('a new cluster has the mandatory and the suggested objects', async () => {
  const names = (items: { metadata: { name?: string } }[]) => items.map((i) => i.metadata.name).sort();
  const found = (await levels.list()).items;
  assert.deepEqual(names(found), [
    'catch-all',
    'exempt',
    'global-default',
    'leader-election',
    'node-high',
    'system',
    'workload-high',
    'workload-low',
  ]);
  for (const level of found)
    assert.equal(level.metadata.annotations?.['apf.kubernetes.io/autoupdate-spec'], 'true');
  assert.equal((await schemas.list()).items.length, 11);
  assert.equal((await dangling('service-accounts'))?.status, 'False');
});

test('what is deleted comes back; what somebody took over stays his; mandatory ones cannot be changed', async () => {
  const { metadata } = await schemas.get('probes');
  await schemas.delete('probes');
  const again = await until(() => schemas.get('probes').catch((e) => isNotFound(e) && undefined));
  assert.notEqual(again.metadata.uid, metadata.uid);
  await levels.patch('workload-low', { spec: { limited: { nominalConcurrencyShares: 77 } } });
  await until(async () => {
    const { spec } = await levels.get('workload-low');
    return spec.limited?.nominalConcurrencyShares === 100;
  });
  await levels.patch('workload-low', {
    metadata: { annotations: { 'apf.kubernetes.io/autoupdate-spec': 'false' } },
    spec: { limited: { nominalConcurrencyShares: 77 } },
  });
  await schemas.delete('probes');
  await until(() => schemas.get('probes').catch((e) => isNotFound(e) && undefined));
  assert.equal((await levels.get('workload-low')).spec.limited?.nominalConcurrencyShares, 77);
  await assert.rejects(
    levels.patch('catch-all', { spec: { limited: { nominalConcurrencyShares: 77 } } }),
    isInvalid,
  );
  await levels.patch('exempt', { spec: { exempt: { nominalConcurrencyShares: 10 } } });
});

test('a request is sorted by the first schema that is meant for it', async () => {
  const limited = { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } };
  const level = await levels.create({ metadata: { name: 'testing' }, spec: { type: 'Limited', limited } });
  const schema = await schemas.create({
    metadata: { name: 'testing' },
    spec: {
      matchingPrecedence: 1000,
      priorityLevelConfiguration: { name: 'testing' },
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'noxu' } }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
    },
  });
  await until(async () => (await dangling('testing'))?.status === 'False');
  const noxu = await https.identity('noxu');
  const answer = await ask('/version', { as: noxu });
  assert.equal(answer.headers['x-kubernetes-pf-prioritylevel-uid'], level.metadata.uid);
  assert.equal(answer.headers['x-kubernetes-pf-flowschema-uid'], schema.metadata.uid);
  const other = await ask('/version', { as: await https.identity('foo') });
  const catchAll = await schemas.get('global-default');
  assert.equal(other.headers['x-kubernetes-pf-flowschema-uid'], catchAll.metadata.uid);
  const pods = await ask('/api/v1/pods', { as: noxu });
  assert.equal(pods.code, 403);
  assert.equal(pods.headers['x-kubernetes-pf-flowschema-uid'], catchAll.metadata.uid);
  const masters = await ask('/api/v1/pods');
  assert.equal(masters.headers['x-kubernetes-pf-flowschema-uid'], (await schemas.get('exempt')).metadata.uid);
  const { text } = await ask('/metrics');
  assert.match(
    text,
    /\napiserver_flowcontrol_dispatched_requests_total\{priority_level="testing",flow_schema="testing"\} 1\n/,
  );
  assert.match(text, /\napiserver_flowcontrol_nominal_limit_seats\{priority_level="testing"\} 3\n/);

  await levels.delete('testing');
  const lost = await until(async () => {
    const condition = await dangling('testing');
    return condition?.status === 'True' && condition;
  });
  assert.equal(lost.reason, 'NotFound');
  const orphan = await ask('/version', { as: noxu });
  assert.equal(orphan.headers['x-kubernetes-pf-flowschema-uid'], catchAll.metadata.uid);
});

test('a level without seats refuses with 429 and when to come again', async () => {
  const limited = {
    nominalConcurrencyShares: 0,
    borrowingLimitPercent: 0,
    limitResponse: { type: 'Reject' },
  };
  await levels.create({ metadata: { name: 'none' }, spec: { type: 'Limited', limited } });
  await schemas.create({
    metadata: { name: 'none' },
    spec: {
      matchingPrecedence: 900,
      priorityLevelConfiguration: { name: 'none' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'unlucky' } }],
          resourceRules: [
            { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true },
          ],
        },
      ],
    },
  });
  // Seats may be none, but what needs more than there are runs when it is alone: so one is kept busy.
  const unlucky = await https.identity('unlucky');
  const { level } = plane.server.flow.classify({
    user: { name: 'unlucky', groups: ['system:authenticated'] },
    verb: 'get',
    resource: 'pods',
  });
  assert.equal(level.name, 'none');
  level.set.executing++;
  const answer = await ask('/api/v1/nodes', { as: unlucky });
  level.set.executing--;
  assert.equal(answer.code, 429);
  assert.equal(answer.json.reason, 'TooManyRequests');
  assert.equal(answer.headers['retry-after'], '1');
  assert.ok(answer.headers['x-kubernetes-pf-flowschema-uid']);
  const { text } = await ask('/metrics');
  assert.match(
    text,
    /rejected_requests_total\{priority_level="none",flow_schema="none",reason="concurrency-limit"\} 1\n/,
  );
});

test('a watch holds its seat only while it begins', async () => {
  let seats = -1;
  await ask('/api/v1/namespaces?watch=1&allowWatchBookmarks=true', {
    onData: (text) => {
      if (!text.includes('ADDED')) return;
      seats = plane.server.flow.levels.get('exempt')!.set.seatsInUse;
      return true;
    },
  });
  assert.equal(seats, 0);
});

test('what flow control is doing can be looked at', async () => {
  const dumped = await ask('/debug/api_priority_and_fairness/dump_priority_levels');
  assert.match(dumped.text, /^PriorityLevelName, +ActiveQueues, .*CancelledRequests\n/);
  assert.match(dumped.text, /\nexempt, +0, +false, /);
  assert.match((await ask('/debug/api_priority_and_fairness/dump_queues')).text, /\nworkload-low, +127, /);
  const requests = await ask('/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1');
  assert.match(requests.text, /admin, +get, +\/debug\/api_priority_and_fairness\/dump_requests, /);
});
