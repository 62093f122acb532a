import { spawnSync } from 'node:child_process';
import { loadClient } from './load-client.ts';

/** Pods on a real node: one after another, and twenty at once, from the request to Ready. The image is in the node already. */
export async function realNodeLoad(
  cli: string,
  kubeconfig: string,
  flags: string[],
  note: (name: string, value: number, unit: string, detail?: string) => void,
): Promise<void> {
  const { busyboxImage } = await import('../test/images/images.ts');
  const { tarPath } = await busyboxImage('bench-busybox:1');
  const loaded = spawnSync(process.execPath, [cli, 'load', tarPath, ...flags], { encoding: 'utf8' });
  if (loaded.status !== 0) throw new Error(loaded.stderr);
  const { call, watch, close } = loadClient(kubeconfig, 20);
  const base = '/api/v1/namespaces/default/pods';
  const waiting = new Map<string, () => void>();
  const { metadata } = JSON.parse((await call('GET', base)).toString());
  const stop = await watch(`${base}?watch=1&resourceVersion=${metadata.resourceVersion}`, (line) => {
    const { object } = JSON.parse(line);
    if (
      object.status?.conditions?.some(
        (c: { type: string; status: string }) => c.type === 'Ready' && c.status === 'True',
      )
    )
      waiting.get(object.metadata.name)?.();
  });
  const run = async (name: string): Promise<number> => {
    const began = performance.now();
    const ready = new Promise<void>((resolve) => waiting.set(name, resolve));
    await call('POST', base, {
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'c',
            image: 'bench-busybox:1',
            imagePullPolicy: 'IfNotPresent',
            command: ['sleep', '3600'],
          },
        ],
      },
    });
    await ready;
    return performance.now() - began;
  };
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
  note('first pod, request to Ready', (await run('first')) / 1000, 's');
  const single: number[] = [];
  for (let i = 0; i < 10; i++) single.push(await run(`one-${i}`));
  note('pod create to Ready, one after another', median(single) / 1000, 's', 'median of 10');
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => run(`many-${i}`)));
  note('20 pods at once, median to Ready', median(many) / 1000, 's');
  stop();
  await call('DELETE', `${base}?gracePeriodSeconds=0`);
  close();
}
