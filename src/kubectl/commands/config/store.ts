// Kubeconfig files as `kubectl config` changes them: each entry in the file that it came from.
import {
  type ExecConfig,
  emptyKubeconfig,
  type Kubeconfig,
  mergeKubeconfigs,
  parseKubeconfig,
} from '../../../client/kubeconfig.ts';
import type { Context } from '../../command.ts';
import { configPaths } from '../../config.ts';
import { goYaml } from '../../printers/yaml.ts';

export type ListName = 'clusters' | 'users' | 'contexts';
/** The field of a list's entries. */
export const fieldOf = { clusters: 'cluster', users: 'user', contexts: 'context' } as const;

type Entry = { name: string; [field: string]: unknown };

/** Fields in the order of JSON output. */
const order = {
  clusters: [
    'server',
    'tls-server-name',
    'insecure-skip-tls-verify',
    'certificate-authority',
    'certificate-authority-data',
    'proxy-url',
    'disable-compression',
    'extensions',
  ],
  users: [
    'client-certificate',
    'client-certificate-data',
    'client-key',
    'client-key-data',
    'token',
    'tokenFile',
    'as',
    'as-uid',
    'as-groups',
    'as-user-extra',
    'username',
    'password',
    'auth-provider',
    'exec',
    'extensions',
  ],
  contexts: ['cluster', 'user', 'namespace', 'extensions'],
} as const;

interface OpenFile {
  path: string;
  config: Kubeconfig;
  exists: boolean;
}

export class ConfigStore {
  readonly files: OpenFile[];
  readonly #context: Context;
  constructor(context: Context, files: OpenFile[]) {
    this.#context = context;
    this.files = files;
  }

  /** Reads the files that count, those that are not there yet as empty ones. Paths inside stay as they are written. */
  static async open(context: Context): Promise<ConfigStore> {
    const { environment } = context;
    const files: OpenFile[] = [];
    for (const path of configPaths(environment, context.flags.kubeconfig)) {
      const exists = (await environment.files.stat(path)) !== undefined;
      const text = exists ? new TextDecoder().decode(await environment.files.read(path)) : '';
      files.push({ path, exists, config: exists ? parseKubeconfig(text) : emptyKubeconfig() });
    }
    return new ConfigStore(context, files);
  }

  get merged(): Kubeconfig {
    return mergeKubeconfigs(this.files.map(({ config }) => config));
  }

  /** Where new things go: the first file that exists, else the last one. */
  get home(): OpenFile {
    return this.files.find(({ exists }) => exists) ?? this.files.at(-1)!;
  }

  fileOf(list: ListName, name: string): OpenFile {
    return this.files.find(({ config }) => config[list].some((entry) => entry.name === name)) ?? this.home;
  }

  find(list: ListName, name: string): Record<string, any> | undefined {
    const entry = this.merged[list].find((one) => one.name === name) as Entry | undefined;
    return entry && { ...(entry[fieldOf[list]] as object) };
  }

  /** Puts an entry into its file; undefined takes it out. */
  async put(list: ListName, name: string, value: Record<string, unknown> | undefined): Promise<void> {
    const file = this.fileOf(list, name);
    const entries = file.config[list] as Entry[];
    const at = entries.findIndex((entry) => entry.name === name);
    if (value === undefined) {
      if (at >= 0) entries.splice(at, 1);
    } else if (at >= 0) entries[at] = { name, [fieldOf[list]]: value };
    else entries.push({ name, [fieldOf[list]]: value });
    await this.write(file);
  }

  async useContext(name: string): Promise<void> {
    const file = this.files.find(({ config }) => config['current-context']) ?? this.home;
    file.config['current-context'] = name;
    await this.write(file);
  }

  async write(file: OpenFile): Promise<void> {
    await this.#context.environment.files.write(file.path, goYaml(orderedConfig(file.config)));
    file.exists = true;
  }
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === '' || value === false || value === null;

function orderedEntry(list: ListName, { name, ...entry }: Entry): Entry {
  const value = entry[fieldOf[list]] as Record<string, unknown>;
  const ordered: Record<string, unknown> = {};
  for (const key of new Set([...order[list], ...Object.keys(value)])) {
    const required = list === 'contexts' && (key === 'cluster' || key === 'user');
    if (required) ordered[key] = value[key] ?? '';
    else if (!isEmpty(value[key])) ordered[key] = value[key];
  }
  if (ordered.exec) ordered.exec = orderedExec(ordered.exec as ExecConfig);
  return { name, [fieldOf[list]]: ordered };
}

const orderedExec = ({ command, args, env, apiVersion, provideClusterInfo, ...more }: ExecConfig) => ({
  command,
  args: args ?? null,
  env: env ?? null,
  apiVersion,
  ...more,
  provideClusterInfo: provideClusterInfo ?? false,
});

/** As kubectl writes it: entries by name, fields in order, nothing empty; a list without entries is null. */
export function orderedConfig(config: Kubeconfig) {
  const list = (name: ListName) => {
    const entries = (config[name] as Entry[]).map((entry) => orderedEntry(name, entry));
    return entries.length ? entries.sort((a, b) => (a.name < b.name ? -1 : 1)) : null;
  };
  return {
    kind: 'Config',
    apiVersion: 'v1',
    preferences: config.preferences ?? {},
    clusters: list('clusters'),
    users: list('users'),
    contexts: list('contexts'),
    'current-context': config['current-context'] ?? '',
  };
}
