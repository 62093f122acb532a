// A directory or file inside a volume, for a container: never outside of it, whatever links the volume's users make meanwhile.
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { bindMount, unmountBelow } from './mounts.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_NONBLOCK } = constants;
/** O_PATH: a handle that names a file without opening it (so no device or pipe is touched). */
const O_PATH = 0o10000000;

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};
const inside = (root: string, path: string): boolean => path === root || path.startsWith(`${root}/`);
const fdPath = (handle: FileHandle): string => `/proc/${process.pid}/fd/${handle.fd}`;

/** Walks down from the root, one name at a time, following no link; `make` makes directories that are missing. */
async function openBelow(root: string, names: string[], make?: number): Promise<FileHandle> {
  let at = await open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    for (const [i, name] of names.entries()) {
      const path = join(fdPath(at), name);
      const last = i === names.length - 1;
      // The container may be given a file; only directories are made, and only directories are passed through.
      const flags =
        last && make === undefined ? O_PATH | O_NOFOLLOW : O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;
      let next = await open(path, flags).catch(make === undefined ? rethrow : missing);
      if (!next) {
        await mkdir(path, { mode: make! });
        next = await open(path, flags);
        await next.chmod(make!);
      }
      await at.close();
      at = next;
    }
    return at;
  } catch (error) {
    await at.close();
    throw error;
  }
}
const rethrow = (error: unknown): never => {
  throw error;
};

/** Makes what is missing of `subPath` as directories with the volume's own mode. */
async function makeMissing(volume: string, subPath: string): Promise<void> {
  const names = subPath.split('/').filter((name) => name && name !== '.');
  const { mode } = await stat(volume);
  // Existing parts may be links that lead to other places inside: begin where the real path ends.
  let known = 0;
  let real = volume;
  for (; known < names.length; known++) {
    const found = await realpath(join(real, names[known]!)).catch(missing);
    if (!found) break;
    if (!inside(volume, found)) throw new Error(`${found} is outside of the volume`);
    real = found;
  }
  if (known === names.length) return;
  const handle = await openBelow(
    volume,
    [...relative(volume, real).split('/').filter(Boolean), ...names.slice(known)],
    mode & 0o7777,
  );
  await handle.close();
}

/** Binds `volume/subPath` to `target` and gives the target. What was bound there before is let go. */
export async function bindSubPath(volumePath: string, subPath: string, target: string): Promise<string> {
  const volume = await realpath(volumePath);
  await makeMissing(volume, subPath);
  const real = await realpath(join(volume, subPath));
  if (!inside(volume, real)) throw new Error(`${real} is outside of the volume`);
  const handle = await openBelow(volume, relative(volume, real).split('/').filter(Boolean));
  try {
    const facts = await stat(fdPath(handle));
    await unmountBelow(target);
    await mkdir(dirname(target), { recursive: true });
    if (facts.isDirectory()) await mkdir(target, { recursive: true });
    else await writeFile(target, '');
    await bindMount(fdPath(handle), target);
    return target;
  } finally {
    await handle.close();
  }
}
