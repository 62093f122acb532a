// Sets of files that change as a whole.
//
//   volume/
//     ..2026_01_02_03_04_05.x1y2z3/   the files as they are now
//       ca.crt  token
//     ..data -> ..2026_01_02_03_04_05.x1y2z3
//     ca.crt -> ..data/ca.crt
//     token  -> ..data/token
//
// A new set is written beside the old one, and `..data` renamed onto it: a reader who keeps to one directory sees one set.
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ProjectedFile } from '../host.ts';

const current = '..data';
const next = '..data_tmp';
const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};

const modeOf = ({ mode }: ProjectedFile, gid: number | undefined): number =>
  gid === undefined ? mode : mode | 0o440;

/** Whether a set on disk is what is wanted, in contents and modes. */
async function isWritten(
  directory: string,
  files: ProjectedFile[],
  gid: number | undefined,
): Promise<boolean> {
  const there = await readdir(directory, { recursive: true, withFileTypes: true }).catch(missing);
  if (there?.filter((entry) => entry.isFile()).length !== files.length) return false;
  for (const file of files) {
    const path = join(directory, file.path);
    const [data, facts] = await Promise.all([readFile(path).catch(missing), stat(path).catch(missing)]);
    if (!data?.equals(file.data) || (facts!.mode & 0o7777) !== modeOf(file, gid)) return false;
    if (gid !== undefined && facts!.gid !== gid) return false;
  }
  return true;
}

async function writeSet(directory: string, files: ProjectedFile[], gid: number | undefined): Promise<void> {
  const directories = new Set<string>();
  for (const file of files) {
    const path = join(directory, file.path);
    for (let at = dirname(path); at.length > directory.length; at = dirname(at)) directories.add(at);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.data);
    await chown(path, file.uid ?? 0, gid ?? 0);
    // After chown, which clears bits; and apart from writeFile, whose mode the umask narrows.
    await chmod(path, modeOf(file, gid));
  }
  for (const path of [...directories, directory]) {
    if (gid !== undefined) await chown(path, 0, gid);
    await chmod(path, gid === undefined ? 0o755 : 0o2755);
  }
}

/** A name of its own for each set, with the time for the curious. */
const setPrefix = (now: Date): string => `..${now.toISOString().slice(0, 19).replace(/[-T:]/g, '_')}.`;

/** Makes the volume show exactly these files. Files are readable by group `gid` where it is given. */
export async function writeAtomically(
  volume: string,
  files: ProjectedFile[],
  gid: number | undefined,
  now: Date,
): Promise<void> {
  await mkdir(volume, { recursive: true, mode: 0o755 });
  const before = await readlink(join(volume, current)).catch(missing);
  const tops = [...new Set(files.map(({ path }) => path.split('/')[0]!))];
  if (!before || !(await isWritten(join(volume, before), files, gid))) {
    const set = await mkdtemp(join(volume, setPrefix(now)));
    await writeSet(set, files, gid);
    await unlink(join(volume, next)).catch(missing);
    await symlink(set.slice(volume.length + 1), join(volume, next));
    await rename(join(volume, next), join(volume, current));
    if (before) await rm(join(volume, before), { recursive: true, force: true });
  }
  for (const name of tops) {
    const link = join(volume, name);
    if (await lstat(link).catch(missing)) continue;
    await symlink(join(current, name), link);
  }
  for (const name of await readdir(volume))
    if (!name.startsWith('..') && !tops.includes(name))
      await rm(join(volume, name), { recursive: true, force: true });
}
