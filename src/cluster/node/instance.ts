import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from './certificates.ts';

/** What is said of a running cluster in `instance.json`, for `status`, `down` and the like. */
export interface Instance {
  pid: number;
  /** Start time of the process in clock ticks since boot: a process id alone may be somebody else's by now. */
  startTicks: string;
  name: string;
  dataDir: string;
  runDir: string;
  server: string;
  nodes: string[];
  startedAt: string;
  version: string;
}

export const instanceFile = (dataDir: string): string => join(dataDir, 'instance.json');

/** Start time of a process from /proc; '' where there is none. */
export function startTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(instance: Instance): boolean {
  try {
    process.kill(instance.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return instance.startTicks === '' || startTicks(instance.pid) === instance.startTicks;
}

/** The cluster that runs from this directory, if one does. */
export function runningInstance(dataDir: string): Instance | undefined {
  const found = lastInstance(dataDir);
  return found && isAlive(found) ? found : undefined;
}

/** What the last start wrote, whether it still runs or not. */
export function lastInstance(dataDir: string): Instance | undefined {
  const path = instanceFile(dataDir);
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Instance;
  } catch {
    return undefined;
  }
}

export function claim(instance: Omit<Instance, 'pid' | 'startTicks'>): void {
  mkdirSync(instance.dataDir, { recursive: true, mode: 0o700 });
  writeWhole(
    instanceFile(instance.dataDir),
    JSON.stringify({ ...instance, pid: process.pid, startTicks: startTicks(process.pid) }, null, 2),
  );
}

export const release = (dataDir: string): void => rmSync(instanceFile(dataDir), { force: true });
