import type { Service } from '../../api/core/v1.gen.ts';
import { ipAddresses } from '../../api/networking/ip-address.ts';
import { serviceCIDRs } from '../../api/networking/service-cidr.ts';
import type { IPAddress } from '../../api/networking/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { ipRange } from '../../machinery/ip.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { encodeForStore } from '../cache/entry.ts';
import { ipAddressKey, ipAddressOf } from './cluster-ips.ts';
import type { AllocatorParts } from './service.ts';

/** An address that was just taken may be known before its service is. */
const youngMs = 60_000;

/** The range that the cluster begins with is a ServiceCIDR of its own, named `kubernetes`. Throws for what is no range. */
export async function startRanges(
  { store, caches, uuid, now }: AllocatorParts,
  ranges: string,
): Promise<void> {
  const cidrs = ranges.split(',');
  for (const cidr of cidrs)
    if (!ipRange(cidr)) throw new Error(`${cidr} is not a range of addresses like 10.96.0.0/16`);
  const key = '/registry/servicecidrs/kubernetes';
  if (caches.of(serviceCIDRs)?.get(key)) return;
  const at = time(now());
  const object = {
    kind: 'ServiceCIDR',
    apiVersion: 'networking.k8s.io/v1',
    metadata: { name: 'kubernetes', uid: uuid(), creationTimestamp: at },
    spec: { cidrs },
    status: {
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: '',
          message: 'Kubernetes default Service CIDR is ready',
          lastTransitionTime: at,
        },
      ],
    },
  } as unknown as AnyObject;
  await store.txn(
    [{ key, target: 'mod', equals: 0 }],
    [{ op: 'put', key, value: encodeForStore(serviceCIDRs, object), decoded: object }],
  );
}

/** Services without an IPAddress get one, and an IPAddress of ours without its service goes. */
export async function repairAddresses(
  { store, caches, uuid, now }: AllocatorParts,
  services: Service[],
): Promise<void> {
  const cache = caches.of(ipAddresses)!;
  const owners = new Map<string, Service>();
  for (const service of services)
    for (const ip of service.spec.clusterIPs ?? [])
      if (ip && ip !== 'None') owners.set(ipAddressKey(ip), service);
  for (const [key, { metadata }] of owners) {
    if (cache.get(key)) continue;
    const ip = key.slice(key.lastIndexOf('/') + 1);
    const object = ipAddressOf(ip, metadata.namespace!, metadata.name!, uuid(), now());
    await store.txn(
      [{ key, target: 'mod', equals: 0 }],
      [{ op: 'put', key, value: encodeForStore(ipAddresses, object), decoded: object }],
    );
  }
  for (const { key, object, revision } of [...cache.entries.values()]) {
    const { metadata, spec } = object as unknown as IPAddress;
    const ours = metadata.labels?.['ipaddress.kubernetes.io/managed-by'] === 'ipallocator.k8s.io';
    const young = now() - Date.parse(metadata.creationTimestamp!) < youngMs;
    const owner = owners.get(key)?.metadata;
    const parent = spec?.parentRef;
    if (!ours || young || (owner && owner.namespace === parent?.namespace && owner.name === parent?.name))
      continue;
    await store.txn([{ key, target: 'mod', equals: revision }], [{ op: 'delete', key }]);
  }
}
