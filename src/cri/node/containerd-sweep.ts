// Leaving nothing behind: pods through the CRI while containerd lives, and by force what remains after its end.

import { basename, dirname } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { connectRuntime } from './containerd-client.ts';
import { findProgram } from './install.ts';
import { endProcess, findProcesses, mountsBelow } from './process.ts';

const parallel = 8;

/** Stops and removes every pod sandbox. What cannot be removed is logged and left to sweep(). */
export async function removeAllPods(socket: string, log: Log): Promise<void> {
  await using runtime = connectRuntime(socket, { log });
  try {
    const { items } = await runtime.listPodSandbox({});
    const waiting = [...items];
    const worker = async () => {
      for (let pod = waiting.pop(); pod; pod = waiting.pop()) {
        await runtime.stopPodSandbox({ podSandboxId: pod.id });
        await runtime.removePodSandbox({ podSandboxId: pod.id });
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
  } catch (error) {
    log.warn('pods could not be removed in order; ending them by force', { error: String(error) });
  }
}

export interface SweepOptions {
  readonly socket: string;
  /** Below which nothing may stay mounted. */
  readonly directories: readonly string[];
  /** runc's state; it has a directory per containerd namespace. */
  readonly runcRoot: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Ends shims of this socket with their containers, and unmounts what is left below the directories. */
export async function sweep({ socket, directories, runcRoot, clock, log }: SweepOptions): Promise<void> {
  const runc = findProgram('runc') ?? findProgram('crun');
  const root = `${runcRoot}/k8s.io`;
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
  for (const directory of directories) {
    for (const path of (await mountsBelow(directory)).reverse()) {
      log.debug('unmounting what was left', { path, below: dirname(path) });
      await runCommand('umount', ['-l', path], { accept: [1, 32] });
    }
  }
}
