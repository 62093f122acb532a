import { type Context, command, entry } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { configMaps, secrets } from '../../resources.ts';
import { asText, contentHash, type DataSources, gatherData, keyProblem, toBase64 } from './data.ts';
import { createGenerated, generatorFlags, metadataOf, nameArgument } from './generate.ts';

const dataFlags = {
  'append-hash': flag.bool('Append a hash of the content to its name.'),
  'from-env-file': flag.strings('Path to a file of lines of key=val pairs.'),
  'from-file': flag.strings('Path to a file, or key=path, or a directory whose files become keys.'),
  'from-literal': flag.stringArray('A key and literal value (mykey=somevalue).'),
};

function checkSources(sources: DataSources): void {
  if (sources['from-env-file'].length && (sources['from-file'].length || sources['from-literal'].length))
    throw new KubectlError('from-env-file cannot be combined with from-file or from-literal');
}

export const createConfigMap = command({
  name: 'configmap',
  aliases: ['cm'],
  usage:
    'create configmap NAME [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none]',
  summary: 'Create a config map from a local file, directory or literal value',
  examples: [
    [
      'Create a config map from literal values',
      'kubectl create configmap settings --from-literal=color=blue',
    ],
    ['Create a config map from the files of a directory', 'kubectl create configmap site --from-file=./html'],
  ],
  flags: { ...generatorFlags, ...dataFlags },
  async run(context) {
    const name = nameArgument(context);
    checkSources(context.flags);
    const data: Record<string, string> = {};
    const binaryData: Record<string, string> = {};
    await gatherData(
      context,
      context.flags,
      (key, bytes) => {
        const problem = keyProblem(key);
        if (problem)
          throw new KubectlError(
            `${JSON.stringify(key)} is not a valid key name for a ConfigMap: ${problem}`,
          );
        for (const [where, keys] of [['Data', data] as const, ['BinaryData', binaryData] as const])
          if (Object.hasOwn(keys, key))
            throw new KubectlError(
              `cannot add key ${JSON.stringify(key)}, another key by that name already exists in ${where} for ConfigMap ${JSON.stringify(name)}`,
            );
        const text = asText(bytes);
        if (text === undefined) binaryData[key] = toBase64(bytes);
        else data[key] = text;
      },
      'config',
    );
    const content = {
      ...(Object.keys(binaryData).length ? { binaryData } : {}),
      ...(Object.keys(data).length ? { data } : {}),
    };
    const hash = context.flags['append-hash']
      ? `-${await contentHash({ kind: 'ConfigMap', name, data: null, ...content })}`
      : '';
    await createGenerated(
      context,
      configMaps,
      { ...content, metadata: metadataOf(name + hash) },
      {
        failure: 'failed to create configmap',
      },
    );
  },
});

/** Creates a secret of these bytes. */
async function createSecret(
  context: Context,
  name: string,
  type: string,
  bytes: Record<string, Uint8Array>,
): Promise<void> {
  const data = Object.fromEntries(Object.entries(bytes).map(([key, value]) => [key, toBase64(value)]));
  const hash = context.flags['append-hash']
    ? `-${await contentHash({ kind: 'Secret', type, name, data })}`
    : '';
  await createGenerated(
    context,
    secrets,
    {
      ...(Object.keys(data).length ? { data } : {}),
      metadata: metadataOf(name + hash),
      ...(type ? { type } : {}),
    },
    { failure: 'failed to create secret' },
  );
}

const gatherSecret = async (context: Context, sources: DataSources): Promise<Record<string, Uint8Array>> => {
  const found: Record<string, Uint8Array> = {};
  await gatherData(
    context,
    sources,
    (key, bytes) => {
      const problem = keyProblem(key);
      if (problem)
        throw new KubectlError(`${JSON.stringify(key)} is not valid key name for a Secret ${problem}`);
      if (Object.hasOwn(found, key))
        throw new KubectlError(`cannot add key ${key}, another key by that name already exists`);
      found[key] = bytes;
    },
    'secret',
  );
  return found;
};

const generic = command({
  name: 'generic',
  usage:
    'create secret generic NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none]',
  summary: 'Create a secret from a local file, directory, or literal value',
  examples: [
    [
      'Create a secret from a literal value',
      'kubectl create secret generic db --from-literal=password=s3cret',
    ],
  ],
  flags: { ...generatorFlags, ...dataFlags, type: flag.string('The type of secret to create.') },
  async run(context) {
    const name = nameArgument(context);
    checkSources(context.flags);
    await createSecret(context, name, context.flags.type, await gatherSecret(context, context.flags));
  },
});

const dockerRegistry = command({
  name: 'docker-registry',
  usage:
    'create secret docker-registry NAME --docker-username=user --docker-password=password --docker-email=email [--docker-server=string] [--from-file=[key=]source] [--dry-run=server|client|none]',
  summary: 'Create a secret for use with a Docker registry',
  examples: [
    [
      'Create a secret to pull images with',
      'kubectl create secret docker-registry hub --docker-username=me --docker-password=s3cret',
    ],
  ],
  flags: {
    ...generatorFlags,
    'append-hash': dataFlags['append-hash'],
    'docker-email': flag.string('Email for Docker registry.'),
    'docker-password': flag.string('Password for Docker registry authentication.'),
    'docker-server': flag.string('Server location for Docker registry.', {
      default: 'https://index.docker.io/v1/',
    }),
    'docker-username': flag.string('Username for Docker registry authentication.'),
    'from-file': flag.strings('Path to a file with the credentials (`.dockerconfigjson=path`).'),
  },
  async run(context) {
    const name = nameArgument(context);
    const {
      'docker-username': username,
      'docker-password': password,
      'docker-server': server,
    } = context.flags;
    const email = context.flags['docker-email'];
    const files = context.flags['from-file'];
    if (!files.length && (!username || !password || !server))
      throw new KubectlError(
        'either --from-file or the combination of --docker-username, --docker-password and --docker-server is required',
      );
    const type = 'kubernetes.io/dockerconfigjson';
    if (files.length) {
      const sources = { 'from-file': files, 'from-literal': [], 'from-env-file': [] };
      return createSecret(context, name, type, await gatherSecret(context, sources));
    }
    const auth = toBase64(new TextEncoder().encode(`${username}:${password}`));
    const config = JSON.stringify({
      auths: { [server]: { username, password, ...(email ? { email } : {}), auth } },
    });
    await createSecret(context, name, type, { '.dockerconfigjson': new TextEncoder().encode(config) });
  },
});

const tls = command({
  name: 'tls',
  usage:
    'create secret tls NAME --cert=path/to/cert/file --key=path/to/key/file [--dry-run=server|client|none]',
  summary: 'Create a TLS secret',
  examples: [['Create a TLS secret', 'kubectl create secret tls site --cert=site.crt --key=site.key']],
  flags: {
    ...generatorFlags,
    'append-hash': dataFlags['append-hash'],
    cert: flag.string('Path to PEM encoded public key certificate.'),
    key: flag.string('Path to private key associated with given certificate.'),
  },
  async run(context) {
    const name = nameArgument(context);
    if (!context.flags.key || !context.flags.cert) throw new KubectlError('key and cert must be specified');
    const read = async (path: string): Promise<Uint8Array> => {
      try {
        return await context.environment.files.read(path);
      } catch (error) {
        throw new KubectlError(
          `Cannot read file ${path}, open ${path}: ${(error as Error).message.split(',')[0]}`,
        );
      }
    };
    await createSecret(context, name, 'kubernetes.io/tls', {
      'tls.crt': await read(context.flags.cert),
      'tls.key': await read(context.flags.key),
    });
  },
});

export const createSecretGroup = command({
  name: 'secret',
  usage: 'create secret (docker-registry | generic | tls)',
  summary: 'Create a secret using a specified subcommand',
  description: `Create a secret with specified type.

 A docker-registry type secret is for accessing a container registry.

 A generic type secret indicate an Opaque secret type.

 A tls type secret holds TLS certificate and its associated key.`,
  commands: [dockerRegistry, generic, tls].map(entry),
});
