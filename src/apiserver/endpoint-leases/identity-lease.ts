// Which API servers there are, for people: a Lease of each in kube-system. Source: "Leases", "API server identity".
import { leases } from '../../api/coordination/lease.ts';
import type { Lease } from '../../api/coordination/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { microTime } from '../../machinery/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../machinery/status.ts';

const namespace = 'kube-system';
const identityLabel = 'apiserver.kubernetes.io/identity';
const labelSelector = `${identityLabel}=kube-apiserver`;
const durationSeconds = 3600;

/** `apiserver-` and the SHA-256 of the host's name in base 32, as upstream's servers call themselves. */
export async function identityOf(host: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(host)));
  let bits = '';
  for (const byte of hash.subarray(0, 16)) bits += byte.toString(2).padStart(8, '0');
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  const text = bits.match(/.{1,5}/g)!.map((five) => letters[Number.parseInt(five.padEnd(5, '0'), 2)]);
  return `apiserver-${text.join('')}`;
}

/** Says that the server is there. `holder` differs from one run of it to the next. */
export async function renewIdentity(
  client: Client,
  { name, holder, host, nowMs }: { name: string; holder: string; host: string; nowMs: number },
): Promise<void> {
  const spec = { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime: microTime(nowMs) };
  try {
    const lease = await client(leases).get(name, { namespace });
    await client(leases).update({ ...lease, spec: { ...lease.spec, ...spec } });
  } catch (error) {
    if (isConflict(error)) return; // somebody looks after it, or we do the next time
    if (!isNotFound(error)) throw error;
    const labels = { [identityLabel]: 'kube-apiserver', 'kubernetes.io/hostname': host };
    await client(leases)
      .create({ metadata: { name, namespace, labels }, spec })
      .catch((e) => {
        if (!isAlreadyExists(e)) throw e;
      });
  }
}

/** Removes the leases of servers that have been gone for long. */
export async function forgetOldIdentities(client: Client, nowMs: number): Promise<void> {
  const { items } = await client(leases).list({ namespace, labelSelector });
  const isOver = ({ spec }: Lease): boolean =>
    !spec?.renewTime ||
    !spec.leaseDurationSeconds ||
    Date.parse(spec.renewTime) + spec.leaseDurationSeconds * 1000 < nowMs;
  for (const lease of items.filter(isOver))
    await client(leases)
      .delete(lease.metadata.name!, { namespace })
      .catch((error) => {
        if (!isNotFound(error)) throw error;
      });
}
