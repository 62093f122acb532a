// Entries of a kubeconfig: set, removed, renamed.
import { type Context, command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { fileProblem } from '../../output.ts';
import { directoryOf, resolve } from '../../paths.ts';
import { ConfigStore, type ListName } from './store.ts';
import { base64 } from './view.ts';

const one = ({ args }: Context): string => {
  if (args.length !== 1) throw new KubectlError(`Unexpected args: [${args.join(' ')}]`);
  return args[0]!;
};

/** A path as it stands in a file: relative to the file where it lies below it. */
function storedPath(context: Context, configPath: string, path: string): string {
  const { workingDirectory } = context.environment;
  const absolute = resolve(workingDirectory, path);
  const base = directoryOf(resolve(workingDirectory, configPath));
  return absolute.startsWith(`${base}/`) ? absolute.slice(base.length + 1) : absolute;
}

/** Puts a file's path into an entry, or with `embed` what is in it. Data and path replace each other. */
async function setFile(
  context: Context,
  entry: Record<string, unknown>,
  field: string,
  { path, embed, configPath }: { path: string; embed: boolean; configPath: string },
): Promise<void> {
  if (!embed) {
    entry[field] = storedPath(context, configPath, path);
    delete entry[`${field}-data`];
    return;
  }
  try {
    entry[`${field}-data`] = base64(
      await context.environment.files.read(resolve(context.environment.workingDirectory, path)),
    );
  } catch (error) {
    throw new KubectlError(
      `could not stat ${field} file ${path}: ${fileProblem(error, path).replace(/^open/, 'stat')}`,
    );
  }
  delete entry[field];
}

const embedCerts = flag.bool('Put the certificates themselves into the kubeconfig.');

export const setCluster = command({
  name: 'set-cluster',
  usage:
    'config set-cluster NAME [--server=server] [--certificate-authority=path/to/certificate/authority] [--insecure-skip-tls-verify=true] [--tls-server-name=example.com]',
  summary: 'Set a cluster entry in kubeconfig',
  examples: [
    [
      'Set only the server field on the e2e cluster entry',
      'kubectl config set-cluster e2e --server=https://1.2.3.4',
    ],
    [
      'Embed certificate authority data',
      'kubectl config set-cluster e2e --embed-certs --certificate-authority=~/.kube/e2e/ca.crt',
    ],
  ],
  flags: { 'embed-certs': embedCerts, 'proxy-url': flag.string('Proxy URL of the cluster entry.') },
  async run(context) {
    const { flags: f, given } = context;
    const name = one(context);
    if (f['embed-certs'] && !f['certificate-authority'])
      throw new KubectlError('you must specify a --certificate-authority to embed');
    if (f['insecure-skip-tls-verify'] && f['certificate-authority'])
      throw new KubectlError('you cannot specify a certificate authority and insecure mode at the same time');
    const store = await ConfigStore.open(context);
    const cluster = store.find('clusters', name) ?? {};
    if (given.has('server')) cluster.server = f.server;
    for (const field of ['tls-server-name', 'proxy-url'] as const)
      if (given.has(field)) cluster[field] = f[field];
    if (given.has('insecure-skip-tls-verify')) {
      cluster['insecure-skip-tls-verify'] = f['insecure-skip-tls-verify'];
      if (f['insecure-skip-tls-verify']) {
        delete cluster['certificate-authority'];
        delete cluster['certificate-authority-data'];
      }
    }
    if (f['certificate-authority']) {
      await setFile(context, cluster, 'certificate-authority', {
        path: f['certificate-authority'],
        embed: f['embed-certs'],
        configPath: store.fileOf('clusters', name).path,
      });
      delete cluster['insecure-skip-tls-verify'];
    }
    await store.put('clusters', name, cluster);
    context.out.line(`Cluster "${name}" set.`);
  },
});

export const setCredentials = command({
  name: 'set-credentials',
  usage:
    'config set-credentials NAME [--client-certificate=path/to/certfile] [--client-key=path/to/keyfile] [--token=bearer_token] [--username=basic_user] [--password=basic_password] [--exec-command=exec_command] [--exec-api-version=exec_api_version] [--exec-arg=arg] [--exec-env=key=value]',
  summary: 'Set a user entry in kubeconfig',
  examples: [
    ['Set the client key of a user', 'kubectl config set-credentials admin --client-key=~/.kube/admin.key'],
    ['Set a bearer token', 'kubectl config set-credentials ci --token=TOKEN'],
  ],
  flags: {
    'embed-certs': embedCerts,
    'exec-api-version': flag.string('API version of the exec credential plugin.'),
    'exec-arg': flag.strings('New arguments for the exec credential plugin command.'),
    'exec-command': flag.string('Command for the exec credential plugin.'),
    'exec-env': flag.stringArray(
      "'key=value' environment values of the exec credential plugin; 'key-' removes one.",
    ),
    'exec-interactive-mode': flag.string('Whether the plugin may ask: Never, IfAvailable, Always.'),
    'exec-provide-cluster-info': flag.bool('Tell the plugin about the cluster.'),
  },
  async run(context) {
    const { flags: f, given } = context;
    const name = one(context);
    const methods = [
      ...(f.token ? ['--token'] : []),
      ...(f.username || f.password ? ['--username/--password'] : []),
    ];
    if (methods.length > 1)
      throw new KubectlError(
        `you cannot specify more than one authentication method at the same time: ${methods.join(', ')}`,
      );
    if (f['embed-certs'] && !f['client-certificate'] && !f['client-key'])
      throw new KubectlError('you must specify a --client-certificate or --client-key to embed');
    const store = await ConfigStore.open(context);
    const user = store.find('users', name) ?? {};
    const configPath = store.fileOf('users', name).path;
    for (const field of ['client-certificate', 'client-key'] as const)
      if (f[field])
        await setFile(context, user, field, { path: f[field], embed: f['embed-certs'], configPath });
    if (given.has('token')) {
      user.token = f.token;
      if (f.token) for (const other of ['username', 'password', 'tokenFile']) delete user[other];
    }
    for (const field of ['username', 'password'] as const)
      if (given.has(field)) {
        user[field] = f[field];
        if (f[field]) for (const other of ['token', 'tokenFile']) delete user[other];
      }
    if ([...given].some((flagName) => flagName.startsWith('exec-'))) user.exec = execConfig(f, user.exec);
    await store.put('users', name, user);
    context.out.line(`User "${name}" set.`);
  },
});

function execConfig(f: Record<string, any>, before: Record<string, any> = {}): Record<string, unknown> {
  const exec = { ...before };
  if (f['exec-command']) exec.command = f['exec-command'];
  if (f['exec-api-version']) exec.apiVersion = f['exec-api-version'];
  if (f['exec-interactive-mode']) exec.interactiveMode = f['exec-interactive-mode'];
  if (f['exec-provide-cluster-info']) exec.provideClusterInfo = true;
  if (f['exec-arg'].length) exec.args = f['exec-arg'];
  const env = new Map<string, string>(
    (exec.env ?? []).map((e: { name: string; value: string }) => [e.name, e.value]),
  );
  for (const text of f['exec-env'] as string[]) {
    const at = text.indexOf('=');
    if (at < 0 && text.endsWith('-')) env.delete(text.slice(0, -1));
    else if (at <= 0)
      throw new KubectlError(`error: invalid ${text} provided, expected env in form 'key=value' or 'key-'`);
    else env.set(text.slice(0, at), text.slice(at + 1));
  }
  if (env.size) exec.env = [...env].map(([name, value]) => ({ name, value }));
  return exec;
}

export const setContext = command({
  name: 'set-context',
  usage:
    'config set-context [NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]',
  summary: 'Set a context entry in kubeconfig',
  examples: [
    ['Set the user field on the gce context entry', 'kubectl config set-context gce --user=cluster-admin'],
    ['Use another namespace from now on', 'kubectl config set-context --current --namespace=web'],
  ],
  flags: { current: flag.bool('Modify the current context.') },
  async run(context) {
    const { args, flags: f, given } = context;
    if (args.length > 1) throw new KubectlError(`Unexpected args: [${args.join(' ')}]`);
    if (args.length && f.current)
      throw new KubectlError('you cannot specify both a context name and --current');
    const store = await ConfigStore.open(context);
    const name = f.current ? store.merged['current-context'] : (args[0] ?? '');
    if (!name)
      throw new KubectlError(
        f.current ? 'no current context is set' : 'you must specify a non-empty context name or --current',
      );
    const before = store.find('contexts', name);
    const value = { cluster: '', user: '', ...before };
    for (const field of ['cluster', 'user', 'namespace'] as const)
      if (given.has(field)) (value as Record<string, string>)[field] = f[field];
    await store.put('contexts', name, value);
    context.out.line(`Context "${name}" ${before ? 'modified' : 'created'}.`);
  },
});

export const useContext = command({
  name: 'use-context',
  aliases: ['use'],
  usage: 'config use-context CONTEXT_NAME',
  summary: 'Set the current-context in a kubeconfig file',
  examples: [['Use the context for the minikube cluster', 'kubectl config use-context minikube']],
  async run(context) {
    const name = one(context);
    const store = await ConfigStore.open(context);
    if (!store.find('contexts', name)) throw new KubectlError(`no context exists with the name: "${name}"`);
    await store.useContext(name);
    context.out.line(`Switched to context "${name}".`);
  },
});

/** The file as messages name it. */
const placeOf = (store: ConfigStore): string => store.home.path;

export const renameContext = command({
  name: 'rename-context',
  usage: 'config rename-context CONTEXT_NAME NEW_NAME',
  summary: 'Rename a context from the kubeconfig file',
  examples: [['Rename the context', 'kubectl config rename-context old-name new-name']],
  async run(context) {
    const { args } = context;
    if (args.length !== 2) throw new KubectlError(`Unexpected args: [${args.join(' ')}]`);
    const [before, after] = args as [string, string];
    const store = await ConfigStore.open(context);
    const found = store.find('contexts', before);
    if (!found)
      throw new KubectlError(`cannot rename the context "${before}", it's not in ${placeOf(store)}`);
    if (store.find('contexts', after))
      throw new KubectlError(
        `cannot rename the context "${before}", the context "${after}" already exists in ${placeOf(store)}`,
      );
    const file = store.fileOf('contexts', before);
    const entry = file.config.contexts.find((c) => c.name === before)!;
    entry.name = after;
    await store.write(file);
    if (store.merged['current-context'] === before) await store.useContext(after);
    context.out.line(`Context "${before}" renamed to "${after}".`);
  },
});

const remover = (name: string, list: ListName, word: string, object: string, aliases: string[] = []) =>
  command({
    name,
    aliases,
    usage: `config ${name} NAME`,
    summary: `Delete the specified ${object} from the kubeconfig`,
    async run(context) {
      const target = one(context);
      const store = await ConfigStore.open(context);
      if (!store.find(list, target))
        throw new KubectlError(`cannot delete ${word} ${target}, not in ${placeOf(store)}`);
      if (list === 'contexts' && store.merged['current-context'] === target)
        context.err.line(
          'warning: this removed your active context, use "kubectl config use-context" to select a different one',
        );
      const { path } = store.fileOf(list, target);
      await store.put(list, target, undefined);
      context.out.line(`deleted ${word} ${target} from ${path}`);
    },
  });
export const deleteCluster = remover('delete-cluster', 'clusters', 'cluster', 'cluster');
export const deleteContext = remover('delete-context', 'contexts', 'context', 'context');
export const deleteUser = remover('delete-user', 'users', 'user', 'user');
