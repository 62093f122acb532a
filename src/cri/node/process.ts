// Processes found by what they are, in /proc. A command line with our own paths in it names our process and no other,
// where a pid from a file may have gone to a stranger.

import { readdir, readFile, readlink } from 'node:fs/promises';
import { type Clock, sleep } from '../../machinery/clock.ts';

/** Pids of live processes whose argument list satisfies `test`. Zombies have none and do not count. */
export async function findProcesses(test: (args: readonly string[]) => boolean): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const matches = await Promise.all(
    pids.map(async (pid) => {
      // ENOENT and ESRCH: it has ended meanwhile.
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return line !== '' && test(line.split('\0').slice(0, -1));
    }),
  );
  return pids.filter((_, index) => matches[index]);
}

/** Whether the process is there and not a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state !== '' && state !== 'Z' && state !== 'X';
}

/** SIGTERM, then SIGKILL after the grace. Resolves when it is gone; one that is gone already is fine. */
export async function endProcess(pid: number, options: { clock: Clock; graceMs: number }): Promise<void> {
  const { clock, graceMs } = options;
  const deadline = clock.now() + graceMs;
  sendSignal(pid, 'SIGTERM');
  for (let delayMs = 5; await isAlive(pid); delayMs = Math.min(delayMs * 2, 100)) {
    if (clock.now() >= deadline) sendSignal(pid, 'SIGKILL');
    await sleep(clock, delayMs);
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Mount points at or below a directory, deepest last, in the order in which they were mounted. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const real = await readlink(directory).catch(() => directory);
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  return lines
    .map((line) =>
      (line.split(' ')[1] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((path) => [directory, real].some((base) => path === base || path.startsWith(`${base}/`)));
}
