// `config set` and `config unset`: one value by its path, `contexts.my-context.namespace`. Names may have dots in them.
import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { ConfigStore, type ListName } from './store.ts';

type Kind = 'string' | 'bool' | 'bytes' | 'slice';
const fields: Record<ListName, Record<string, Kind>> = {
  clusters: {
    server: 'string',
    'tls-server-name': 'string',
    'insecure-skip-tls-verify': 'bool',
    'certificate-authority': 'string',
    'certificate-authority-data': 'bytes',
    'proxy-url': 'string',
    'disable-compression': 'bool',
  },
  users: {
    'client-certificate': 'string',
    'client-certificate-data': 'bytes',
    'client-key': 'string',
    'client-key-data': 'bytes',
    token: 'string',
    tokenFile: 'string',
    as: 'string',
    'as-uid': 'string',
    'as-groups': 'slice',
    username: 'string',
    password: 'string',
  },
  contexts: { cluster: 'string', user: 'string', namespace: 'string' },
};

interface Property {
  list: ListName | 'current-context';
  name?: string;
  field?: string;
}

/** Takes a path apart: the name ends where a known field begins. Throws a KubectlError. */
function parseProperty(path: string): Property {
  const [list, ...parts] = path.split('.') as [ListName | 'current-context', ...string[]];
  if (list === 'current-context') return { list };
  if (!Object.hasOwn(fields, list)) throw new KubectlError(`unable to parse ${path} after [] at api.Config`);
  if (!parts.length) return { list };
  const at = parts.findIndex((part, i) => i > 0 && Object.hasOwn(fields[list], part));
  if (at < 0) return { list, name: parts.join('.') };
  if (at !== parts.length - 1) throw new KubectlError(`unable to parse one or more field values of ${path}`);
  return { list, name: parts.slice(0, at).join('.'), field: parts[at] };
}

function parseValue(kind: Kind, text: string, raw: boolean): unknown {
  if (kind === 'slice') throw new KubectlError('unrecognized slice type. string');
  if (kind === 'bool') {
    if (!/^(1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$/.test(text))
      throw new KubectlError(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    return /^[1tT]/.test(text);
  }
  if (kind === 'string') return text;
  if (raw) return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  // As `base64` writes it, in lines.
  const joined = text.replace(/[\r\n]/g, '');
  if (!/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(joined))
    throw new KubectlError('error decoding input value: illegal base64 data');
  return joined;
}

export const set = command({
  name: 'set',
  usage: 'config set PROPERTY_NAME PROPERTY_VALUE',
  summary: 'Set an individual value in a kubeconfig file',
  description:
    'Set an individual value in a kubeconfig file. PROPERTY_NAME is a path with dots between its parts; PROPERTY_VALUE is the new value, in base64 where the field is binary.',
  examples: [
    [
      'Set the server field on the my-cluster cluster',
      'kubectl config set clusters.my-cluster.server https://1.2.3.4',
    ],
    ['Set the namespace of a context', 'kubectl config set contexts.my-context.namespace web'],
  ],
  flags: { 'set-raw-bytes': flag.bool('Take the value of a binary field as it is, not as base64.') },
  async run(context) {
    const { args, flags: f, out } = context;
    if (args.length !== 2) throw new KubectlError(`Unexpected args: [${args.join(' ')}]`);
    const [path, value] = args as [string, string];
    if (!value) throw new KubectlError('you cannot use set to unset a property');
    const { list, name, field } = parseProperty(path);
    const store = await ConfigStore.open(context);
    if (list === 'current-context') await store.useContext(value);
    else if (name === undefined || field === undefined)
      throw new KubectlError(
        `can't set a map to a value: map[${store.merged[list].map((entry) => entry.name).join(' ')}]`,
      );
    else
      await store.put(list, name, {
        ...store.find(list, name),
        [field]: parseValue(fields[list][field]!, value, f['set-raw-bytes']),
      });
    out.line(`Property "${path}" set.`);
  },
});

export const unset = command({
  name: 'unset',
  usage: 'config unset PROPERTY_NAME',
  summary: 'Unset an individual value in a kubeconfig file',
  examples: [
    ['Unset the current-context', 'kubectl config unset current-context'],
    ['Unset the namespace in the foo context', 'kubectl config unset contexts.foo.namespace'],
  ],
  async run(context) {
    const { args, out } = context;
    if (args.length !== 1) throw new KubectlError(`Unexpected args: [${args.join(' ')}]`);
    const { list, name, field } = parseProperty(args[0]!);
    const store = await ConfigStore.open(context);
    if (list === 'current-context') await store.useContext('');
    else if (name === undefined)
      for (const entry of store.merged[list]) await store.put(list, entry.name, undefined);
    else if (field === undefined) await store.put(list, name, undefined);
    else {
      const entry = store.find(list, name);
      if (!entry) throw new KubectlError(`current map key \`${name}\` is invalid`);
      delete entry[field];
      await store.put(list, name, entry);
    }
    out.line(`Property "${args[0]}" unset.`);
  },
});
