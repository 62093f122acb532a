// Everything of one run: three members of etcd, two API servers, writers, watchers, informers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configMaps } from '../../src/api/core/config-map.ts';
import { createInformers } from '../../src/client/informer.ts';
import { transportFrom } from '../../src/client/node/kubeconfig.ts';
import { createClient } from '../../src/client/typed.ts';
import { systemClock } from '../../src/cluster/node/platform.ts';
import { silentLog } from '../../src/machinery/log.ts';
import { apiServer, type ServerProcess } from './api-server.ts';
import { ApiClient } from './client.ts';
import { type EtcdCluster, startEtcdCluster } from './etcd-cluster.ts';
import { namespace, newWork, settle, verify, type Watcher, type Work, watcher, writer } from './workload.ts';

export interface Scene extends AsyncDisposable {
  etcd: EtcdCluster;
  servers: ServerProcess[];
  work: Work;
  watchers: Watcher[];
  informers: { events: number }[];
  /** Ends the writers, and looks at what there is; what is wrong is said in sentences. */
  finish(): Promise<string[]>;
}

export async function startScene({
  writers,
  random = Math.random,
  partitions = false,
}: {
  writers: number;
  random?: () => number;
  partitions?: boolean;
}): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-ha-'));
  const etcd = await startEtcdCluster(join(dir, 'etcd'), { partitions });
  const servers: ServerProcess[] = [];
  const writing = new AbortController();
  const watching = new AbortController();
  const dispose = async () => {
    writing.abort();
    watching.abort();
    for (const server of servers) await server.kill();
    await etcd[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    for (const [i, name] of ['one', 'two'].entries())
      servers.push(await apiServer(name, dir, etcd.endpoints, ['--advertise-address', `10.99.0.${i + 1}`]));
    await Promise.all(servers.map((server) => server.start()));
    const work = newWork();
    const setup = new ApiClient(servers, 0, []);
    const { code } = await setup.ask('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
    setup.close();
    if (code !== 201) throw new Error(`the namespace was not made: ${code}`);
    const watchers = [0, 1, 2].map((id) => watcher(id, servers, work, watching.signal));
    const informers = await Promise.all(servers.map((server) => informer(server, work, watching.signal)));
    const all = Array.from({ length: writers }, (_, id) => writer(id, servers, work, random, writing.signal));
    return {
      ...{ etcd, servers, work, watchers, informers },
      async finish() {
        writing.abort();
        await Promise.all(all);
        await settle(work, watchers, 10_000);
        const wrong = await verify(servers, work, watchers);
        for (const [i, one] of informers.entries()) {
          const why = await one.differs(10_000);
          if (why) wrong.push(`informer ${i}: ${why}`);
        }
        watching.abort();
        await Promise.all(watchers.map(({ done }) => done));
        return wrong;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function informer(server: ServerProcess, work: Work, signal: AbortSignal) {
  const client = createClient(await transportFrom(server.kubeconfig, { userAgent: 'ha' }));
  const informers = createInformers(client, { clock: systemClock, log: silentLog });
  const known = informers(configMaps, { namespace });
  const self = { events: 0 };
  const seen = new Map<string, number>();
  const see = (type: string, object: any) => {
    self.events++;
    const { name, resourceVersion } = object.metadata;
    const revision = Number(resourceVersion);
    const before = seen.get(name) ?? 0;
    if (type !== 'delete' && revision <= before)
      work.violations.push(`informer of ${server.name}: ${type} of ${name} at ${revision} after ${before}`);
    seen.set(name, revision);
  };
  known.on({
    add: (object) => see('add', object),
    update: (object) => see('update', object),
    delete: (object) => see('delete', object),
  });
  informers.start(signal);
  await known.whenSynced();
  return Object.assign(self, {
    /** What it has is what was acknowledged; or, after a while, why not. */
    async differs(limitMs: number): Promise<string | undefined> {
      const until = performance.now() + limitMs;
      while (true) {
        const there = known.list().filter((one) => one.data?.n !== undefined);
        const wrong = there.find((one) => work.alive.get(one.metadata.name!)?.n !== Number(one.data!.n));
        if (!wrong && there.length === work.alive.size) return undefined;
        if (performance.now() > until)
          return wrong
            ? `${wrong.metadata.name} is n=${wrong.data!.n}`
            : `${there.length} objects, not ${work.alive.size}`;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  });
}
