import { loadClient, type Measured, measure, summary } from './load-client.ts';

const workers = 32;
const capacity = { cpu: '32', memory: '128Gi', pods: '110', 'ephemeral-storage': '1Ti' };

/** Hollow nodes that no kubelet serves, then pods: how many are created and bound a second, seen from a watch. */
export async function schedulingLoad(
  kubeconfig: string,
  nodes: number,
  pods: number,
  report: (m: Measured) => void,
): Promise<void> {
  const { call, watch, close } = loadClient(kubeconfig, workers);
  const ns = `sched-${nodes}`;
  await call('POST', '/api/v1/namespaces', { metadata: { name: ns } });
  await measure('', nodes, workers, async (i) => {
    const name = `hollow-${nodes}-${i}`;
    await call('POST', '/api/v1/nodes', {
      metadata: {
        name,
        labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `z${i % 3}`, hollow: ns },
      },
    });
    const now = new Date().toISOString().slice(0, 19) + 'Z';
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'Hollow', lastHeartbeatTime: now, lastTransitionTime: now },
    ];
    await call(
      'PATCH',
      `/api/v1/nodes/${name}/status`,
      { status: { capacity, allocatable: capacity, conditions } },
      'application/strategic-merge-patch+json',
    );
    await call('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } }, 'application/merge-patch+json');
  });
  const bound = new Map<string, number>();
  const created = new Map<string, number>();
  let finish: () => void = () => {};
  const all = new Promise<void>((resolve) => (finish = resolve));
  const { metadata } = JSON.parse((await call('GET', `/api/v1/namespaces/${ns}/pods?limit=1`)).toString());
  const stop = await watch(
    `/api/v1/namespaces/${ns}/pods?watch=1&resourceVersion=${metadata.resourceVersion}`,
    (line) => {
      const { object } = JSON.parse(line);
      if (!object?.spec?.nodeName || bound.has(object.metadata.name)) return;
      bound.set(object.metadata.name, performance.now());
      if (bound.size === pods) finish();
    },
  );
  const spec = {
    automountServiceAccountToken: false,
    nodeSelector: { hollow: ns },
    containers: [{ name: 'c', image: 'pause', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
  };
  // The default service account of a new namespace comes from its controller, a moment later.
  for (let tries = 0; tries < 50; tries++) {
    const found = await call('GET', `/api/v1/namespaces/${ns}/serviceaccounts/default`).then(
      () => true,
      () => false,
    );
    if (found) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const start = performance.now();
  await measure('', pods, workers, (i) => {
    created.set(`p-${i}`, performance.now());
    return call('POST', `/api/v1/namespaces/${ns}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `p-${i}`, labels: { app: 'sched' } },
      spec,
    });
  });
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 300_000).unref())]);
  const last = Math.max(...bound.values());
  const latencies = [...bound].map(([name, at]) => at - created.get(name)!);
  report(
    summary(
      `pods created and bound, ${nodes.toLocaleString('en')} nodes`,
      bound.size,
      last - start,
      latencies,
    ),
  );
  stop();
  await call('DELETE', `/api/v1/namespaces/${ns}/pods?gracePeriodSeconds=0`);
  await call('DELETE', `/api/v1/nodes?labelSelector=hollow%3D${ns}`);
  await call('DELETE', `/api/v1/namespaces/${ns}`);
  close();
}
