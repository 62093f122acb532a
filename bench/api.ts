import { loadClient, type Measured, measure, summary } from './load-client.ts';

const workers = 32;
const count = 3000;

/** The load on the API: writes, reads, lists, patches, apply, pods, watch fan-out. The same phases as the table of peers. */
export async function apiLoad(kubeconfig: string, report: (m: Measured) => void): Promise<void> {
  const { call, watch, close } = loadClient(kubeconfig, workers);
  const ns = '/api/v1/namespaces/load';
  const maps = `${ns}/configmaps`;
  const map = (name: string, i: number) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: `a${i % 10}` } },
    data: { payload: 'x'.repeat(1024) },
  });
  const phase = async (name: string, n: number, one: (i: number) => Promise<unknown>) =>
    report(await measure(name, n, workers, one));
  await call('POST', '/api/v1/namespaces', { metadata: { name: 'load' } });
  await phase('create ConfigMap 1 KB', count, (i) => call('POST', maps, map(`load-${i}`, i)));
  await phase('get', count * 2, (i) => call('GET', `${maps}/load-${i % count}`));
  await phase('list 3,000 objects', 20, () => call('GET', maps));
  await phase('list, limit=500', 40, () => call('GET', `${maps}?limit=500`));
  await phase('list by label', 40, () => call('GET', `${maps}?labelSelector=app%3Da3`));
  await phase('merge patch', count, (i) =>
    call('PATCH', `${maps}/load-${i}`, { data: { k: `v${i}` } }, 'application/merge-patch+json'),
  );
  await phase('server-side apply', 1000, (i) =>
    call(
      'PATCH',
      `${maps}/ssa-${i}?fieldManager=load&force=true`,
      map(`ssa-${i}`, i),
      'application/apply-patch+yaml',
    ),
  );
  await phase('create pod', 1000, (i) =>
    call('POST', `${ns}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${i}` },
      spec: {
        schedulerName: 'nobody',
        automountServiceAccountToken: false,
        containers: [
          { name: 'c', image: 'busybox', resources: { requests: { cpu: '10m', memory: '16Mi' } } },
        ],
      },
    }),
  );
  await phase('bind pod', 1000, (i) =>
    call('POST', `${ns}/pods/pod-${i}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: `pod-${i}` },
      target: { apiVersion: 'v1', kind: 'Node', name: 'none' },
    }),
  );
  await fanOut();
  await phase('delete', count, (i) => call('DELETE', `${maps}/load-${i}`));
  await call('DELETE', `${ns}/pods?gracePeriodSeconds=0`);
  await call('DELETE', '/api/v1/namespaces/load');
  close();

  async function fanOut(): Promise<void> {
    const watchers = 200;
    const creations = 300;
    const sent = new Map<string, number>();
    const latencies: number[] = [];
    let done: () => void = () => {};
    const all = new Promise<void>((resolve) => (done = resolve));
    const { metadata } = JSON.parse((await call('GET', `${ns}/secrets`)).toString());
    const stops = await Promise.all(
      Array.from({ length: watchers }, () =>
        watch(`${ns}/secrets?watch=1&resourceVersion=${metadata.resourceVersion}`, (line) => {
          const name = /"name":"(w-\d+)"/.exec(line)?.[1];
          if (!name) return;
          latencies.push(performance.now() - sent.get(name)!);
          if (latencies.length === watchers * creations) done();
        }),
      ),
    );
    const start = performance.now();
    await measure('', creations, 8, (i) => {
      sent.set(`w-${i}`, performance.now());
      return call('POST', `${ns}/secrets`, { metadata: { name: `w-${i}` }, stringData: { a: 'b' } });
    });
    await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 30_000).unref())]);
    report(summary('watch fan-out, 200 watchers', latencies.length, performance.now() - start, latencies));
    for (const stop of stops) stop();
  }
}
