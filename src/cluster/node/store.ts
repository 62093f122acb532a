import { memoryStore } from '../../etcd/memory.ts';
import { embeddedStore, takeOverFormat1 } from '../../etcd/node/embedded.ts';
import { remoteStore } from '../../etcd/node/grpc-client.ts';
import type { Store } from '../../machinery/store.ts';
import type { ClusterConfig } from '../config.ts';

/** Opens what `--store` names; `dir` is where the embedded one is. */
export async function openStore(kind: ClusterConfig['store'], dir: string): Promise<Store> {
  if (kind === 'memory') return memoryStore(Date.now);
  if (kind === 'embedded') {
    await takeOverFormat1(dir);
    return embeddedStore(dir);
  }
  return remoteStore({ endpoints: kind.slice('etcd='.length).split(',') });
}
