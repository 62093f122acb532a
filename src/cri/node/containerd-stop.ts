// Where a node's containerd lives, and how it ends: pods through the CRI while containerd lives, and by force what
// remains after its end. Works from the directories alone, so that `wherry down` needs no running Wherry.

import { basename, join } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { connectRuntime } from './containerd-client.ts';
import { findProgram } from './install.ts';
import { endProcess, findProcesses, mountsBelow } from './process.ts';

export interface ContainerdPlaces {
  /** Images, snapshots, config.toml and containerd.log go to `<dataDir>/containerd`. Survives a reboot. */
  readonly dataDir: string;
  /** Socket and state of running containers. On a tmpfs such as /run; at most 70 bytes long. */
  readonly runDir: string;
  readonly log: Log;
  readonly clock: Clock;
}

/** The files of one containerd. Its config file names it among all processes of the machine. */
export function containerdPlaces({ dataDir, runDir }: Pick<ContainerdPlaces, 'dataDir' | 'runDir'>) {
  const home = join(dataDir, 'containerd');
  return {
    home,
    configFile: join(home, 'config.toml'),
    logFile: join(home, 'containerd.log'),
    socket: join(runDir, 'containerd.sock'),
    state: join(runDir, 'state'),
  };
}

/** The pid of the containerd of these directories, whoever started it. */
export async function findContainerd(
  places: Pick<ContainerdPlaces, 'dataDir' | 'runDir'>,
): Promise<number | undefined> {
  const { configFile } = containerdPlaces(places);
  const isOurs = (args: readonly string[]) =>
    basename(args[0] ?? '') === 'containerd' && args.includes(configFile);
  return (await findProcesses(isOurs))[0];
}

const stopGraceMs = 10_000;
const parallelRemovals = 8;

/**
 * Ends containerd if it runs; containers go on, held by their shims. With `containers` pods are removed first, with
 * their networks, and no process or mount is left. Fine when there is nothing; image and snapshot files stay.
 */
export async function stopContainerd(
  places: ContainerdPlaces,
  { containers }: { containers: boolean },
): Promise<void> {
  const { clock, log } = places;
  const { socket } = containerdPlaces(places);
  const pid = await findContainerd(places);
  if (pid !== undefined) {
    if (containers) await removeAllPods(socket, log);
    await endProcess(pid, { clock, graceMs: stopGraceMs });
  }
  if (containers) await sweep(places);
}

/** What cannot be removed is logged and left to sweep(). */
async function removeAllPods(socket: string, log: Log): Promise<void> {
  await using runtime = connectRuntime(socket, { log });
  try {
    const { items } = await runtime.listPodSandbox({}, AbortSignal.timeout(stopGraceMs));
    const waiting = [...items];
    const worker = async () => {
      for (let pod = waiting.pop(); pod; pod = waiting.pop()) {
        await runtime.stopPodSandbox({ podSandboxId: pod.id });
        await runtime.removePodSandbox({ podSandboxId: pod.id });
      }
    };
    await Promise.all(Array.from({ length: parallelRemovals }, worker));
  } catch (error) {
    log.warn('pods could not be removed in order; ending them by force', { error: String(error) });
  }
}

/** Ends containers and shims that are left, and unmounts what is left below our directories. */
async function sweep({ dataDir, runDir, clock, log }: ContainerdPlaces): Promise<void> {
  const { home, socket, state } = containerdPlaces({ dataDir, runDir });
  const runc = findProgram('runc') ?? findProgram('crun');
  const root = join(state, 'runc', 'k8s.io');
  if (runc) {
    const { stdout } = await runCommand(runc, ['--root', root, 'list', '-q'], { accept: [1] });
    for (const id of stdout.split('\n').filter(Boolean)) {
      log.warn('removing a left-over container', { id });
      await runCommand(runc, ['--root', root, 'delete', '--force', id], { accept: [1] });
    }
  }
  const shims = await findProcesses(
    (args) =>
      basename(args[0] ?? '').startsWith('containerd-shim') && args[args.indexOf('-address') + 1] === socket,
  );
  await Promise.all(shims.map((pid) => endProcess(pid, { clock, graceMs: 1000 })));
  for (const directory of [runDir, home]) {
    for (const path of (await mountsBelow(directory)).reverse()) {
      log.debug('unmounting what was left', { path });
      await runCommand('umount', ['-l', path], { accept: [1, 32] });
    }
  }
}
