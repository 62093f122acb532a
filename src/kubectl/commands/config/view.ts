import type { Kubeconfig, UserEntry } from '../../../client/kubeconfig.ts';
import { type Context, command } from '../../command.ts';
import { mergedConfig, readConfigs } from '../../config.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { objectPrinter, outputFlags } from '../../output.ts';
import { laidOut, tableTabs } from '../../printers/tabs.ts';
import { ConfigStore, orderedConfig } from './store.ts';

export const view = command({
  name: 'view',
  usage: 'config view [flags]',
  summary: 'Display merged kubeconfig settings or a specified kubeconfig file',
  examples: [
    ['Show merged kubeconfig settings', 'kubectl config view'],
    ['Show merged settings, with certificates and secrets', 'kubectl config view --raw'],
    ["Get the first user's name", "kubectl config view -o jsonpath='{.users[0].name}'"],
  ],
  flags: {
    ...outputFlags,
    flatten: flag.bool('Put the contents of named files into the output, so that it stands alone.'),
    merge: flag.bool('Merge the full hierarchy of kubeconfig files.', { default: true }),
    minify: flag.bool('Remove all information not used by current-context.'),
    raw: flag.bool('Display raw byte data and sensitive data.'),
  },
  async run(context) {
    const { flags: f, environment } = context;
    const config = f.flatten
      ? await flattened(context, mergedConfig(await readConfigs(environment, f.kubeconfig)))
      : (await ConfigStore.open(context)).merged;
    const shown = orderedConfig(f.minify ? minified(config, f) : config);
    if (!f.raw && !f.flatten) redact(shown);
    if (f.output === 'json') return context.out.line(JSON.stringify(shown, null, 4));
    const output = f.output || f.template ? f.output : 'yaml';
    const print = await objectPrinter(environment, { ...f, output });
    print(shown as never, context.out);
  },
});

/** Leaves what the chosen context uses. Throws a KubectlError without one. */
function minified(config: Kubeconfig, flags: { context: string; cluster: string; user: string }): Kubeconfig {
  const name = flags.context || config['current-context'];
  if (!name) throw new KubectlError('current-context must exist in order to minify');
  const context = config.contexts.find((c) => c.name === name);
  if (!context) throw new KubectlError('cannot locate context ' + name);
  const used = {
    cluster: flags.cluster || context.context.cluster,
    user: flags.user || context.context.user,
  };
  if (used.cluster && !config.clusters.some((c) => c.name === used.cluster))
    throw new KubectlError(`cannot locate cluster ${used.cluster}`);
  if (used.user && !config.users.some((u) => u.name === used.user))
    throw new KubectlError(`cannot locate user ${used.user}`);
  return {
    ...config,
    'current-context': name,
    contexts: [context],
    clusters: config.clusters.filter((c) => c.name === used.cluster),
    users: config.users.filter((u) => u.name === used.user),
  };
}

const dataFields = [
  ['client-certificate', 'client-certificate-data'],
  ['client-key', 'client-key-data'],
] as const;

/** Named files as data. */
async function flattened({ environment }: Context, config: Kubeconfig): Promise<Kubeconfig> {
  const data = async (path: string) => base64(await environment.files.read(path));
  const copy = structuredClone(config);
  for (const { cluster } of copy.clusters)
    if (cluster['certificate-authority']) {
      cluster['certificate-authority-data'] ||= await data(cluster['certificate-authority']);
      delete cluster['certificate-authority'];
    }
  for (const { user } of copy.users)
    for (const [file, field] of dataFields)
      if (user[file]) {
        user[field] ||= await data(user[file]);
        delete user[file];
      }
  return copy;
}

export function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** What must not be seen over a shoulder. */
function redact(config: ReturnType<typeof orderedConfig>): void {
  for (const { user } of (config.users ?? []) as unknown as { user: UserEntry }[]) {
    for (const field of ['token', 'password'] as const) if (user[field]) user[field] = 'REDACTED';
    for (const [, field] of dataFields) if (user[field]) user[field] = 'DATA+OMITTED';
  }
  for (const { cluster } of (config.clusters ?? []) as unknown as { cluster: Record<string, string> }[])
    if (cluster['certificate-authority-data']) cluster['certificate-authority-data'] = 'DATA+OMITTED';
}

export const getContexts = command({
  name: 'get-contexts',
  usage: 'config get-contexts [(-o|--output=)name)]',
  summary: 'Describe one or many contexts',
  examples: [
    ['List all the contexts in your kubeconfig file', 'kubectl config get-contexts'],
    ['Describe one context in your kubeconfig file', 'kubectl config get-contexts my-context'],
  ],
  flags: {
    'no-headers': flag.bool('Print no headers.'),
    output: flag.string('Output format. One of: (name).', { short: 'o' }),
  },
  async run(context) {
    const { args, flags: f, out, err } = context;
    if (f.output && f.output !== 'name')
      throw new KubectlError(
        `--output ${f.output} is not available in kubectl config get-contexts; resetting to default output format`,
      );
    const { contexts, 'current-context': current } = (await ConfigStore.open(context)).merged;
    const names = args.length ? args : contexts.map(({ name }) => name).sort();
    const missing = args.filter((name) => !contexts.some((c) => c.name === name));
    if (f.output === 'name') for (const name of names.filter((n) => !missing.includes(n))) out.line(name);
    else {
      const rows = f['no-headers'] ? [] : [['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE']];
      for (const name of names) {
        const found = contexts.find((c) => c.name === name)?.context;
        if (found)
          rows.push([name === current ? '*' : '', name, found.cluster, found.user, found.namespace ?? '']);
      }
      out.write(laidOut(tableTabs, rows.map((row) => `${row.join('\t')}\n`).join('')));
    }
    if (missing.length === 1) throw new KubectlError(`context ${missing[0]} not found`);
    for (const name of missing) err.line(`context ${name} not found`);
    return missing.length ? 1 : 0;
  },
});

const names = (name: string, list: 'clusters' | 'users', summary: string) =>
  command({
    name,
    usage: `config ${name}`,
    summary,
    async run(context) {
      context.out.line('NAME');
      const entries = (await ConfigStore.open(context)).merged[list];
      for (const entry of entries.map((one) => one.name).sort()) context.out.line(entry);
    },
  });
export const getClusters = names('get-clusters', 'clusters', 'Display clusters defined in the kubeconfig');
export const getUsers = names('get-users', 'users', 'Display users defined in the kubeconfig');

export const currentContext = command({
  name: 'current-context',
  usage: 'config current-context [flags]',
  summary: 'Display the current-context',
  async run(context) {
    const current = (await ConfigStore.open(context)).merged['current-context'];
    if (!current) throw new KubectlError('current-context is not set');
    context.out.line(current);
  },
});
