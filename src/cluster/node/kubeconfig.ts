import { existsSync, readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { writeWhole } from './certificates.ts';

export interface Access {
  name: string;
  server: string;
  ca: string;
  cert: string;
  key: string;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
interface Named {
  name: string;
}
interface Kubeconfig {
  apiVersion: 'v1';
  kind: 'Config';
  preferences?: object;
  clusters: Named[];
  users: Named[];
  contexts: Named[];
  'current-context': string;
}

/** A kubeconfig with one cluster, one user and one context, all of that name. */
export function kubeconfig({ name, server, ca, cert, key }: Access): Kubeconfig {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    clusters: [{ name, cluster: { 'certificate-authority-data': base64(ca), server } } as Named],
    users: [
      { name, user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } } as Named,
    ],
    contexts: [{ name, context: { cluster: name, user: name } } as Named],
    'current-context': name,
  };
}

export const writeKubeconfig = (path: string, access: Access): void =>
  writeWhole(path, stringify(kubeconfig(access)));

/**
 * Adds the context to the user's own kubeconfig, or takes it out again; the rest of the file stays, and so does the current
 * context unless there was none. A file that cannot be read is left alone: the reason is returned.
 */
export function mergeKubeconfig(path: string, name: string, access: Access | undefined): string | undefined {
  let config: Kubeconfig;
  try {
    const found = existsSync(path) ? parse(readFileSync(path, 'utf8')) : undefined;
    config = { ...kubeconfigOf(found) };
  } catch (error) {
    return `${path} is no kubeconfig (${(error as Error).message.split('\n')[0]}); it is left as it is`;
  }
  const mine = access && kubeconfig({ ...access, name });
  for (const list of ['clusters', 'users', 'contexts'] as const) {
    config[list] = [...config[list].filter((entry) => entry.name !== name), ...(mine?.[list] ?? [])];
  }
  if (mine && !config['current-context']) config['current-context'] = name;
  if (!mine && config['current-context'] === name) config['current-context'] = '';
  writeWhole(path, stringify(config));
  return undefined;
}

function kubeconfigOf(found: unknown): Kubeconfig {
  const config = (found ?? {}) as Partial<Kubeconfig>;
  if (typeof config !== 'object' || Array.isArray(config)) throw new Error('it is not a map');
  return {
    apiVersion: 'v1',
    kind: 'Config',
    ...config,
    clusters: config.clusters ?? [],
    users: config.users ?? [],
    contexts: config.contexts ?? [],
    'current-context': config['current-context'] ?? '',
  };
}
