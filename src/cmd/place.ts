import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkName } from '../cluster/config.ts';
import { type Instance, runningInstance } from '../cluster/node/instance.ts';
import { UserError } from './command.ts';

/** Where a cluster of this name keeps its things. */
export function placeOf(flags: { name: string; 'data-dir'?: string }): {
  name: string;
  dataDir: string;
  runDir: string;
} {
  const name = flags.name;
  try {
    checkName(name);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const root = process.getuid?.() === 0;
  const dataDir = flags['data-dir']
    ? resolve(flags['data-dir'])
    : root
      ? join('/var/lib/wherry', name)
      : join(homedir(), '.wherry', name);
  return { name, dataDir, runDir: root ? join('/run/wherry', name) : join(dataDir, 'run') };
}

/** The running cluster that the flags name. Throws a sentence when there is none. */
export function demandRunning(flags: { name: string; 'data-dir'?: string }): Instance {
  const { name, dataDir } = placeOf(flags);
  const instance = runningInstance(dataDir);
  if (instance) return instance;
  const option = name === 'default' ? '' : ` --name ${name}`;
  throw new UserError(
    `no cluster "${name}" is running (looked in ${dataDir}): start it with "wherry up${option}".`,
  );
}

export function kubeconfigOf(flags: { name: string; 'data-dir'?: string }): { path: string; text: string } {
  const path = join(placeOf(flags).dataDir, 'kubeconfig');
  if (!existsSync(path))
    throw new UserError(`there is no ${path}: start the cluster first, with "wherry up".`);
  return { path, text: readFileSync(path, 'utf8') };
}
