import { chmod, chown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const rw = 0o660;
const enter = 0o110;
const setgid = 0o2000;

/**
 * Gives a volume to a group: files readable and writable by it, directories entered by it and passing the group on.
 * `onRootMismatch` leaves a volume alone of which the top already looks like that.
 * https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods
 */
export async function giveToGroup(path: string, gid: number, onRootMismatch = false): Promise<void> {
  const top = await lstat(path);
  const wanted = rw | enter | setgid;
  if (onRootMismatch && top.gid === gid && (top.mode & wanted) === wanted) return;
  await give(path, gid);
}

async function give(path: string, gid: number): Promise<void> {
  const facts = await lstat(path);
  if (facts.isSymbolicLink()) return;
  await chown(path, facts.uid, gid);
  const directory = facts.isDirectory();
  await chmod(path, (facts.mode & 0o7777) | rw | (directory ? enter | setgid : 0));
  if (directory) for (const name of await readdir(path)) await give(join(path, name), gid);
}
