import { chmod, chown, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostVolume } from '../host.ts';
import { writeAtomically } from './atomic-writer.ts';
import { isMountPoint, mountHugepages, mountTmpfs } from './mounts.ts';
import { giveToGroup } from './ownership.ts';

type Of<T extends HostVolume['type']> = HostVolume & { type: T };

async function emptyDir({ medium, sizeBytes, gid }: Of<'emptyDir'>, path: string): Promise<void> {
  let fresh = (await mkdir(path, { recursive: true })) !== undefined;
  if (medium !== 'disk' && !(await isMountPoint(path))) {
    fresh = true;
    const size = sizeBytes ? [`size=${sizeBytes}`] : [];
    if (medium === 'memory') await mountTmpfs(path, [...size, 'mode=777']);
    else await mountHugepages(path, [`pagesize=${medium.pageBytes}`, ...size]);
  }
  // What its users have made of it since is theirs.
  if (!fresh) return;
  if (gid !== undefined) await chown(path, 0, gid);
  await chmod(path, gid === undefined ? 0o777 : 0o2777);
}

const kinds: Record<
  string,
  [test: 'isDirectory' | 'isFile' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice', name: string]
> = {
  Directory: ['isDirectory', 'a directory'],
  DirectoryOrCreate: ['isDirectory', 'a directory'],
  File: ['isFile', 'a file'],
  FileOrCreate: ['isFile', 'a file'],
  Socket: ['isSocket', 'a socket file'],
  CharDevice: ['isCharacterDevice', 'a character device'],
  BlockDevice: ['isBlockDevice', 'a block device'],
};

async function hostPath({ path, check, gid, gidPolicy }: Of<'path'>): Promise<void> {
  if (check === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (check === 'FileOrCreate') await (await open(path, 'a', 0o644)).close();
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  // Nothing said: the runtime makes a directory, as it always has.
  if (!facts && check === '') await mkdir(path, { recursive: true, mode: 0o755 });
  const kind = kinds[check];
  if (kind && !facts) throw new Error(`hostPath type check failed: ${path} is not ${kind[1]}`);
  if (kind && !facts![kind[0]]()) throw new Error(`hostPath type check failed: ${path} is not ${kind[1]}`);
  if (gid !== undefined) await giveToGroup(path, gid, gidPolicy === 'OnRootMismatch');
}

/** `diskDir` and `memoryDir` are the pod's own directories for volumes. Gives the volume's path. */
export async function setUpVolume(
  volume: HostVolume,
  diskDir: string,
  memoryDir: string,
  now: Date,
): Promise<string> {
  if (volume.type === 'path') {
    await hostPath(volume);
    return volume.path;
  }
  if (volume.type === 'files') {
    const path = join(memoryDir, volume.name);
    await mkdir(memoryDir, { recursive: true, mode: 0o750 });
    await writeAtomically(path, volume.files, volume.gid, now);
    return path;
  }
  const path = join(diskDir, volume.name);
  await emptyDir(volume, path);
  return path;
}
