import { persistentVolumes } from '../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../api/core/persistent-volume-claim.ts';
import type { PersistentVolumeClaim } from '../api/core/v1.gen.ts';
import type { Client, Informers } from '../client/client.ts';
import type { Clock } from '../machinery/clock.ts';
import { keyOf } from '../machinery/meta.ts';
import type { NodeInfo } from './node-info.ts';
import { choose, planVolumes } from './plugins/volume-binding.ts';
import type { PodInfo } from './pod-info.ts';
import type { Volumes } from './volumes.ts';

const bindTimeoutMs = 600_000;

interface Context {
  client: Client;
  informers: Informers;
  clock: Clock;
  volumes: Volumes;
}

/**
 * Gives the claims that waited for a node theirs: a volume that is there is reserved for the claim, or the claim is marked
 * with the node so that a provisioner makes one. Then waits until all are bound; throws when that takes too long.
 */
export async function bindVolumes(
  pod: PodInfo,
  node: NodeInfo,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, volumes } = context;
  const plan = planVolumes(pod, { volumes });
  if (typeof plan === 'string') throw new Error(plan);
  if (plan.waiting.length === 0) return;
  const chosen = choose(plan, node);
  if (!chosen) throw new Error("node(s) didn't find available persistent volumes to bind");
  for (const [claim, volume] of chosen) {
    const { name, namespace, uid, resourceVersion } = claim.metadata;
    if (volume === 'provision') {
      const annotations = { 'volume.kubernetes.io/selected-node': node.name };
      await client(persistentVolumeClaims).patch(
        name!,
        { metadata: { annotations } },
        { namespace, type: 'merge', signal },
      );
    } else {
      const claimRef = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        name,
        namespace,
        uid,
        resourceVersion,
      };
      const annotations = { ...volume.metadata.annotations, 'pv.kubernetes.io/bound-by-controller': 'yes' };
      const reserved = {
        ...volume,
        metadata: { ...volume.metadata, annotations },
        spec: { ...volume.spec, claimRef },
      };
      await client(persistentVolumes).update(reserved as typeof volume, { signal });
    }
  }
  const pending = new Set([...chosen.keys()].map(keyOf));
  await new Promise<void>((resolve, reject) => {
    const end = (error?: unknown) => {
      timer.cancel();
      stop();
      signal.removeEventListener('abort', abort);
      if (error) reject(error);
      else resolve();
    };
    const abort = () => end(signal.reason);
    const look = (claim: PersistentVolumeClaim) => {
      if (claim.status?.phase === 'Bound' && pending.delete(keyOf(claim)) && pending.size === 0) end();
    };
    const timer = clock.after(bindTimeoutMs, () =>
      end(new Error(`timed out waiting for ${[...pending].join(', ')}`)),
    );
    let stop = () => {};
    signal.addEventListener('abort', abort, { once: true });
    stop = informers(persistentVolumeClaims).on({ update: look });
    for (const key of [...pending]) {
      const claim = informers(persistentVolumeClaims).getByKey(key);
      if (claim) look(claim);
    }
  });
}
