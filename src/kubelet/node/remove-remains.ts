import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import { Cgroups } from './cgroups.ts';
import { unmountBelow } from './mounts.ts';

export interface Remains {
  clock: Clock;
  dataDir: string;
  runDir: string;
  cgroupRoot?: string;
}

/**
 * Removes all that pods left on the machine beside their containers: mounts, directories, cgroups. For when the cluster is
 * taken down, after the runtime has removed the containers. Logs stay. Fine when there is nothing.
 */
export async function removeRemains({ clock, dataDir, runDir, cgroupRoot = '' }: Remains): Promise<void> {
  for (const directory of [join(dataDir, 'pods'), join(runDir, 'pods')]) {
    await unmountBelow(directory);
    await rm(directory, { recursive: true, force: true });
  }
  await new Cgroups(cgroupRoot, clock).remove(`${cgroupRoot}/kubepods`);
}
