import { mkdir } from 'node:fs/promises';
import { runCommand } from '../../machinery/node/command.ts';

/** Mounts the files of an image that the runtime has, read-only. For runtimes that do not mount images themselves. */
export interface ImageMounts {
  mount(imageId: string, target: string): Promise<void>;
  /** Idempotent. */
  unmount(target: string): Promise<void>;
}

/** By containerd's own client: a view of the image's snapshot, mounted where it is wanted. */
export function containerdImageMounts({
  socket,
  snapshotter,
}: {
  socket: string;
  snapshotter: string;
}): ImageMounts {
  const ctr = (...args: string[]) =>
    runCommand('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args]);
  return {
    async mount(imageId, target) {
      await mkdir(target, { recursive: true });
      await ctr('images', 'mount', '--snapshotter', snapshotter, imageId, target);
    },
    async unmount(target) {
      await ctr('images', 'unmount', '--rm', '--snapshotter', snapshotter, target);
    },
  };
}
