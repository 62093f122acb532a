import { readFileSync } from 'node:fs';
import { memoryStore } from '../../etcd/memory.ts';
import { embeddedStore, takeOverFormat1 } from '../../etcd/node/embedded.ts';
import { CallFailed } from '../../etcd/node/etcd-member.ts';
import { remoteStore } from '../../etcd/node/grpc-client.ts';
import type { Store } from '../../machinery/store.ts';
import type { SharingSettings } from '../api-settings.ts';
import type { ClusterConfig } from '../config.ts';

/** How long an etcd cluster may take to be there. */
const patienceMs = 60_000;

/** Opens what `--store` names; `dir` is where the embedded one is. Says so when it has to wait for an etcd cluster. */
export async function openStore(
  kind: ClusterConfig['store'],
  dir: string,
  etcd: SharingSettings['etcd'] = {},
  say: (line: string) => void = () => {},
): Promise<Store> {
  if (kind === 'memory') return memoryStore(Date.now);
  if (kind === 'embedded') {
    await takeOverFormat1(dir);
    return embeddedStore(dir);
  }
  const read = (file: string | undefined) => (file ? readFileSync(file) : undefined);
  const tls = { ca: read(etcd.caFile), cert: read(etcd.certFile), key: read(etcd.keyFile) };
  const endpoints = kind.slice('etcd='.length).split(',');
  const until = Date.now() + patienceMs;
  for (let said = false; ; said = true) {
    try {
      return await remoteStore({ endpoints, tls });
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      const why = error.message;
      if (Date.now() > until)
        throw new Error(`${why}: start etcd, or look at the endpoints that are given.`, { cause: error });
      if (!said) say(`Waiting for etcd (${why}).`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
