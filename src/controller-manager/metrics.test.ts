import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allKinds } from '../api/all.ts';
import { jobs } from '../api/batch/job.ts';
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import { services } from '../api/core/service.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { readMetrics } from '../testing/exposition.ts';
import { startControllerManager } from './start.ts';

let plane: ControlPlane;
let manager: AsyncDisposable;
const metrics = new MetricRegistry();
before(async () => {
  plane = await startControlPlane();
  const { client, informers, trace, discover } = plane;
  manager = await startControllerManager({
    ...{
      client,
      informers,
      trace,
      discover,
      metrics,
      log: silentLog,
      clock: systemClock,
      random: systemRandom,
    },
    ...{ kinds: allKinds, controllers: ['job', 'node-lifecycle', 'endpointslice', 'serviceaccount'] },
  });
});
after(async () => {
  await manager[Symbol.asyncDispose]();
  await plane.stop();
});

async function until<T>(attempt: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 400; tries++) {
    const found = await attempt();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail('it does not come');
}
const read = () => readMetrics(metrics.render());

test('a job that ends', async () => {
  const { client } = plane;
  const container = { name: 'c', image: 'c' };
  await client(jobs).create({
    metadata: { name: 'j', namespace: 'default' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  } as never);
  const pod = await until(async () => (await client(pods).list({ namespace: 'default' })).items[0]);
  const { name } = pod.metadata;
  const options = { namespace: 'default', type: 'merge', subresource: 'status' } as const;
  await client(pods).patch(name!, { status: { phase: 'Succeeded' } }, options);
  const mode = { completion_mode: 'NonIndexed' };
  const ended = { ...mode, result: 'succeeded', reason: 'CompletionsReached' };
  await until(() => read().value('job_controller_jobs_finished_total', ended) === 1);
  const told = await until(() => {
    const now = read();
    const counted = { ...mode, result: 'succeeded' };
    const done = now.value('job_controller_job_pods_finished_total', counted) === 1;
    const finalizer = 'job_controller_terminated_pods_tracking_finalizer_total';
    return done && now.value(finalizer, { event: 'delete' }) === 1 ? now : undefined;
  });
  const made = { ...mode, result: 'success', action: 'pods_created' };
  assert.equal(told.value('job_controller_job_syncs_total', made), 1);
  assert.equal(told.value('job_controller_job_sync_duration_seconds_count', made), 1);
  assert.ok(told.value('workqueue_adds_total', { name: 'job' })! >= 3);
  assert.equal(told.value('workqueue_unfinished_work_seconds', { name: 'job' }) !== undefined, true);
  assert.match(metrics.render(), /# HELP workqueue_depth \[BETA\]/);
});

test('a node that is emptied; endpoints of a service', async () => {
  const { client } = plane;
  const labels = { 'topology.kubernetes.io/zone': 'z' };
  await client(nodes).create({ metadata: { name: 'n', labels }, spec: {} });
  const condition = { type: 'Ready', status: 'False', reason: 'x', message: 'x' };
  const options = { type: 'merge', subresource: 'status' } as const;
  await client(nodes).create({ metadata: { name: 'well' }, spec: {} });
  const ready = { ...condition, status: 'True' };
  await client(nodes).patch('well', { status: { conditions: [ready] } }, options);
  await client(nodes).patch('n', { status: { conditions: [condition] } }, options);
  await until(() => read().value('node_collector_evictions_total', { zone: ':\u0000:z' }) === 1);

  const spec = { selector: { a: 'b' }, ports: [{ port: 80 }], trafficDistribution: 'PreferClose' };
  await client(services).create({ metadata: { name: 's', namespace: 'default' }, spec } as never);
  const told = await until(() => {
    const now = read();
    return now.value('endpoint_slice_controller_num_endpoint_slices') === 1 ? now : undefined;
  });
  assert.equal(told.value('endpoint_slice_controller_endpoints_desired'), 0);
  const distribution = { traffic_distribution: 'PreferClose' };
  assert.equal(
    told.value('endpoint_slice_controller_services_count_by_traffic_distribution', distribution),
    1,
  );
  assert.equal(told.value('endpoint_slice_controller_endpoints_added_per_sync_count'), 1);
});
