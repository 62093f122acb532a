import type { Write } from '../messages.ts';
import { bytesOf } from '../messages.ts';
import type { Progress } from '../snapshot.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { SnapshotError, type SnapshotFile } from './snapshot-file.ts';

/** What etcd takes in one transaction, with room to spare: 128 operations, 1.5 MiB. */
const mostOps = 64;
const mostBytes = 1 << 20;
const everything = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };

/**
 * Puts the keys of a snapshot into a running etcd that has none, in the order of their revisions; leases keep their ids.
 * etcd counts revisions anew: what clients remember of the old cluster does not fit.
 */
export async function restoreIntoEtcd(
  { reader }: SnapshotFile,
  etcd: EtcdConnection,
  progress: Progress,
): Promise<{ keys: number; revision: number }> {
  const { count } = await etcd.call('Range', { ...everything, countOnly: true });
  if (count) throw new SnapshotError(`this etcd has ${count} keys already: restore into one that is empty`);
  const newest = new Map<string, number>();
  for (const { revision, change } of reader.changes()) {
    if (change.version) newest.set(change.key, revision);
    else newest.delete(change.key);
  }
  for (const { id, ttlSeconds } of reader.leases) await etcd.call('LeaseGrant', { ID: id, TTL: ttlSeconds });
  let ops: Write<'RequestOp'>[] = [];
  let bytes = 0;
  let keys = 0;
  let revision = 0;
  const write = async () => {
    if (ops.length) revision = (await etcd.call('Txn', { success: ops })).header!.revision;
    keys += ops.length;
    progress(keys, newest.size);
    ops = [];
    bytes = 0;
  };
  for (const { revision: mod, change } of reader.changes()) {
    if (newest.get(change.key) !== mod || !change.version) continue;
    const { key, value, lease = 0 } = change;
    if (ops.length >= mostOps || (ops.length && bytes + value.length > mostBytes)) await write();
    ops.push({ requestPut: { key: bytesOf(key), value, lease } });
    bytes += value.length + key.length;
  }
  await write();
  return { keys, revision };
}
