// Where kubectl's configuration is, and what it chooses.
import {
  type Access,
  chooseAccess,
  type Kubeconfig,
  KubeconfigError,
  mergeKubeconfigs,
  type Overrides,
  parseKubeconfig,
} from '../client/kubeconfig.ts';
import type { GlobalValues } from './command.ts';
import type { Environment } from './environment.ts';
import { directoryOf, join, resolve } from './paths.ts';

export interface ConfigFile {
  path: string;
  config: Kubeconfig;
}

/** The files that count: `--kubeconfig`, else `KUBECONFIG`, else `~/.kube/config`. */
export function configPaths(environment: Environment, explicit: string): string[] {
  if (explicit) return [explicit];
  const listed = environment.env.KUBECONFIG;
  if (listed) return [...new Set(listed.split(':').filter(Boolean))];
  return [join(environment.home, '.kube', 'config')];
}

/** Reads the files that are there; paths inside stay as they are written unless `absolute`. */
export async function readConfigs(
  environment: Environment,
  explicit: string,
  { absolute = true } = {},
): Promise<ConfigFile[]> {
  const found: ConfigFile[] = [];
  for (const path of configPaths(environment, explicit)) {
    if (!(await environment.files.stat(path))) {
      if (explicit) throw new KubeconfigError(`stat ${path}: no such file or directory`);
      continue;
    }
    const text = new TextDecoder().decode(await environment.files.read(path));
    const directory = directoryOf(resolve(environment.workingDirectory, path));
    const config = parseKubeconfig(text, absolute ? (relative) => resolve(directory, relative) : undefined);
    found.push({ path, config });
  }
  return found;
}

export const mergedConfig = (files: ConfigFile[]): Kubeconfig => mergeKubeconfigs(files.map((f) => f.config));

/** What the command line chooses; undefined where there is no configuration at all. */
export async function accessOf(
  environment: Environment,
  flags: GlobalValues,
  given: ReadonlySet<string>,
): Promise<Access | undefined> {
  const config = mergedConfig(await readConfigs(environment, flags.kubeconfig));
  const overrides: Overrides = {};
  for (const name of overridable)
    if (given.has(name)) (overrides as Record<string, unknown>)[name] = flags[name];
  if (
    !config.clusters.length &&
    !config.contexts.length &&
    !config['current-context'] &&
    !given.has('server')
  ) {
    if (given.has('context') || given.has('cluster') || given.has('user')) chooseAccess(config, overrides);
    return undefined;
  }
  return chooseAccess(config, overrides);
}

const overridable = [
  'context',
  'cluster',
  'user',
  'namespace',
  'server',
  'tls-server-name',
  'certificate-authority',
  'insecure-skip-tls-verify',
  'client-certificate',
  'client-key',
  'token',
  'username',
  'password',
  'as',
  'as-uid',
  'as-group',
  'as-user-extra',
  'disable-compression',
] as const;
