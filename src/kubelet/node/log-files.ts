import { watch } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import type { LogFiles } from '../host.ts';

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};

/** Resolves when the file is written to, and at the latest after `withinMs`. */
function changed(path: string, withinMs: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watchQuietly(path, () => end());
    const timer = clock.after(withinMs, () => end());
    const end = (): void => {
      timer.cancel();
      watcher?.close();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
  });
}

/** undefined where the kernel has no watch to give (or no file): the time limit serves. */
function watchQuietly(path: string, onChange: () => void) {
  try {
    const watcher = watch(path, onChange);
    watcher.on('error', onChange);
    return watcher;
  } catch {
    return undefined;
  }
}

export function logFiles(root: string, clock: Clock): LogFiles {
  return {
    podDirectory: ({ namespace, name, uid }) => join(root, `${namespace}_${name}_${uid}`),
    list: async (directory) => (await readdir(directory).catch(missing)) ?? [],
    size: async (path) => (await stat(path).catch(missing))?.size,
    async read(path, from, limit) {
      const file = await open(path);
      try {
        const bytes = new Uint8Array(limit);
        const { bytesRead } = await file.read(bytes, 0, limit, from);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    rename,
    remove: (path) => rm(path, { force: true }),
    changed: (path, withinMs, signal) => changed(path, withinMs, clock, signal),
    podDirectories: async () => (await readdir(root).catch(missing)) ?? [],
    removePodDirectory: (name) => rm(join(root, name), { recursive: true, force: true }),
  };
}
