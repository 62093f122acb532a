// Kubeconfig files: merging several, and choosing the context.
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
import { parseYaml } from '../machinery/yaml.ts';

export interface ClusterEntry {
  server?: string;
  'tls-server-name'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'proxy-url'?: string;
  'disable-compression'?: boolean;
  [more: string]: unknown;
}

export interface ExecConfig {
  apiVersion: string;
  command: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

export interface UserEntry {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  'as-uid'?: string;
  'as-groups'?: string[];
  'as-user-extra'?: Record<string, string[]>;
  exec?: ExecConfig;
  'auth-provider'?: { name: string; config?: Record<string, string> };
  [more: string]: unknown;
}

export interface ContextEntry {
  cluster: string;
  user: string;
  namespace?: string;
  [more: string]: unknown;
}

export interface Kubeconfig {
  apiVersion?: string;
  kind?: string;
  preferences?: Record<string, unknown>;
  clusters: { name: string; cluster: ClusterEntry }[];
  users: { name: string; user: UserEntry }[];
  contexts: { name: string; context: ContextEntry }[];
  'current-context': string;
  [more: string]: unknown;
}

export const emptyKubeconfig = (): Kubeconfig => ({
  apiVersion: 'v1',
  kind: 'Config',
  preferences: {},
  clusters: [],
  users: [],
  contexts: [],
  'current-context': '',
});

/** Reads one file. Relative paths in it are made absolute by `resolve`. Throws 400 where it is no YAML. */
export function parseKubeconfig(text: string, resolve: (path: string) => string = (p) => p): Kubeconfig {
  const found = parseYaml(text) ?? {};
  const config: Kubeconfig = {
    ...emptyKubeconfig(),
    ...found,
    clusters: found.clusters ?? [],
    users: found.users ?? [],
    contexts: found.contexts ?? [],
    'current-context': found['current-context'] ?? '',
  };
  config.clusters = config.clusters.map(({ name, cluster }) => ({
    name,
    cluster: resolved(cluster ?? {}, ['certificate-authority'], resolve),
  }));
  config.users = config.users.map(({ name, user }) => {
    const mine = resolved(user ?? {}, ['client-certificate', 'client-key', 'tokenFile'], resolve);
    // A command with a slash is a path; a bare one is looked up in PATH.
    if (mine.exec?.command?.includes('/')) mine.exec = { ...mine.exec, command: resolve(mine.exec.command) };
    return { name, user: mine };
  });
  return config;
}

function resolved<T extends Record<string, any>>(
  entry: T,
  names: string[],
  resolve: (path: string) => string,
): T {
  const copy: any = { ...entry };
  for (const name of names) if (copy[name]) copy[name] = resolve(copy[name]);
  return copy;
}

/** The first file that says something wins: `current-context`, and each entry by its name. */
export function mergeKubeconfigs(configs: Kubeconfig[]): Kubeconfig {
  const merged = emptyKubeconfig();
  for (const config of configs) {
    for (const list of ['clusters', 'users', 'contexts'] as const)
      for (const entry of config[list])
        if (!merged[list].some((other) => other.name === entry.name)) merged[list].push(entry as never);
    merged['current-context'] ||= config['current-context'];
    merged.preferences = { ...config.preferences, ...merged.preferences };
  }
  return merged;
}

/** What the command line says over the file. */
export interface Overrides {
  context?: string;
  cluster?: string;
  user?: string;
  namespace?: string;
  server?: string;
  'tls-server-name'?: string;
  'certificate-authority'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'client-certificate'?: string;
  'client-key'?: string;
  token?: string;
  username?: string;
  password?: string;
  as?: string;
  'as-uid'?: string;
  'as-group'?: string[];
  'as-user-extra'?: string[];
  'disable-compression'?: boolean;
}

/** How to reach a cluster, and as whom. */
export interface Access {
  cluster: ClusterEntry;
  user: UserEntry;
  namespace: string | undefined;
  context: string;
}

/** The kubeconfig names something that is not there, or contradicts itself. */
export class KubeconfigError extends Error {}

/** Chooses context, cluster and user. Throws a KubeconfigError where what is named is missing. */
export function chooseAccess(config: Kubeconfig, overrides: Overrides = {}): Access {
  const name = overrides.context || config['current-context'];
  const context = config.contexts.find((c) => c.name === name)?.context;
  if (overrides.context && !context)
    throw new KubeconfigError(`context was not found for specified context: ${overrides.context}`);
  if (name && !context && !overrides.server) {
    throw new KubeconfigError(`context was not found for specified context: ${name}`);
  }
  const clusterName = overrides.cluster || context?.cluster;
  const userName = overrides.user || context?.user;
  const cluster = { ...config.clusters.find((c) => c.name === clusterName)?.cluster };
  const user = { ...config.users.find((u) => u.name === userName)?.user };
  if (overrides.cluster && !config.clusters.some((c) => c.name === overrides.cluster))
    throw new KubeconfigError(`cluster "${overrides.cluster}" does not exist`);
  if (overrides.user && !config.users.some((u) => u.name === overrides.user))
    throw new KubeconfigError(`auth info "${overrides.user}" does not exist`);
  override(cluster, user, overrides);
  if (!user.as && (user['as-uid'] || user['as-groups']?.length || user['as-user-extra']))
    throw new KubeconfigError(
      `requesting uid, groups or user-extra for ${userName ?? ''} without impersonating a user`,
    );
  return { cluster, user, namespace: overrides.namespace || context?.namespace || undefined, context: name };
}

function override(cluster: ClusterEntry, user: UserEntry, overrides: Overrides): void {
  if (overrides.server) cluster.server = overrides.server;
  if (overrides['tls-server-name']) cluster['tls-server-name'] = overrides['tls-server-name'];
  if (overrides['insecure-skip-tls-verify'] !== undefined) {
    cluster['insecure-skip-tls-verify'] = overrides['insecure-skip-tls-verify'];
    if (overrides['insecure-skip-tls-verify']) {
      delete cluster['certificate-authority'];
      delete cluster['certificate-authority-data'];
    }
  }
  if (overrides['certificate-authority']) {
    cluster['certificate-authority'] = overrides['certificate-authority'];
    delete cluster['certificate-authority-data'];
  }
  if (overrides['disable-compression']) cluster['disable-compression'] = true;
  const give = (names: (keyof Overrides & keyof UserEntry)[], replaced: string[] = []) => {
    if (!names.some((n) => overrides[n] !== undefined && overrides[n] !== '')) return;
    for (const name of replaced) delete user[name];
    for (const name of names) if (overrides[name]) (user as Record<string, unknown>)[name] = overrides[name];
  };
  give(['client-certificate', 'client-key'], ['client-certificate-data', 'client-key-data']);
  give(['token'], ['tokenFile', 'exec']);
  give(['username', 'password']);
  give(['as', 'as-uid']);
  if (overrides['as-group']?.length) user['as-groups'] = overrides['as-group'];
  for (const extra of overrides['as-user-extra'] ?? []) {
    const at = extra.indexOf('=');
    const all = (user['as-user-extra'] ??= {});
    (all[extra.slice(0, at)] ??= []).push(extra.slice(at + 1));
  }
}
