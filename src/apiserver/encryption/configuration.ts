// EncryptionConfiguration of apiserver.config.k8s.io/v1. Source: "Encrypting Confidential Data at Rest".

import { parse } from 'yaml';
import {
  aescbc,
  aesgcm,
  byPrefix,
  type Ciphers,
  identity,
  secretbox,
  type Transformer,
} from './transformers.ts';

/** What is wrong with the file; the message says where. */
export class EncryptionConfigError extends Error {}

interface Key {
  name: string;
  secret: string;
}
interface Provider {
  aescbc?: { keys: Key[] };
  aesgcm?: { keys: Key[] };
  secretbox?: { keys: Key[] };
  identity?: object;
  kms?: object;
}

const kinds = ['aescbc', 'aesgcm', 'secretbox', 'identity', 'kms'] as const;
const keySizes = { aescbc: [16, 24, 32], aesgcm: [16, 24, 32], secretbox: [32] };
/** Stored by API servers, and no resources of the API. */
const notResources = ['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations'];

interface GroupResource {
  group: string;
  resource: string;
}
/** `deployments.apps`, `*.` for all of the core group, `*.*` for all. */
function parseResource(text: string): GroupResource {
  const at = text.indexOf('.');
  return at < 0 ? { resource: text, group: '' } : { resource: text.slice(0, at), group: text.slice(at + 1) };
}
const shown = ({ group, resource }: GroupResource): string =>
  group === '' ? (resource === '*' ? '*.' : resource) : `${resource}.${group}`;

/** How the values of a resource are transformed; undefined where nothing is configured for it. */
export type TransformerOf = (group: string, resource: string) => Transformer | undefined;

/** Reads the file (YAML or JSON). Throws EncryptionConfigError. */
export function parseEncryptionConfiguration(text: string, ciphers: Ciphers): TransformerOf {
  let config: any;
  try {
    config = parse(text);
  } catch (error) {
    throw new EncryptionConfigError(`it is no YAML (${(error as Error).message.split('\n')[0]})`);
  }
  if (config?.kind !== 'EncryptionConfiguration' || config.apiVersion !== 'apiserver.config.k8s.io/v1')
    throw new EncryptionConfigError(
      'it must be kind EncryptionConfiguration of apiVersion apiserver.config.k8s.io/v1',
    );
  const lists = new Map<string, { prefix: string; transformer: Transformer }[]>();
  const resources = listAt(config.resources, 'resources');
  for (const [i, one] of resources.entries()) {
    const at = `resources[${i}]`;
    const names = listAt(one?.resources, `${at}.resources`) as string[];
    checkNames(names, `${at}.resources`);
    const providers = listAt(one.providers, `${at}.providers`).map((provider, j) =>
      transformerOf(provider, `${at}.providers[${j}]`, ciphers),
    );
    for (const name of names) {
      const wanted = parseResource(name);
      for (const wider of [
        { group: wanted.group, resource: '*' },
        { group: '*', resource: '*' },
      ])
        if (lists.has(shown(wider)))
          throw new EncryptionConfigError(
            `resource "${shown(wanted)}" is masked by earlier rule "${shown(wider)}"`,
          );
      lists.set(shown(wanted), [...(lists.get(shown(wanted)) ?? []), ...providers]);
    }
  }
  const transformers = new Map(
    [...lists].map(([name, list]) => [name, byPrefix(list, 'no matching prefix found')]),
  );
  return (group, resource) =>
    transformers.get(shown({ group, resource })) ??
    transformers.get(shown({ group, resource: '*' })) ??
    transformers.get('*.*');
}

function listAt(value: unknown, at: string): any[] {
  if (Array.isArray(value) && value.length) return value;
  throw new EncryptionConfigError(`${at}: at least one is required`);
}

function checkNames(names: string[], at: string): void {
  const wrong = (why: string): never => {
    throw new EncryptionConfigError(`${at}: ${why}`);
  };
  for (const name of names) {
    const { group, resource } = parseResource(String(name));
    if (/[A-Z]/.test(name)) wrong(`"${name}": resource name should not contain capital letters`);
    if (name === '*')
      wrong("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources");
    if (notResources.includes(name))
      wrong(`"${name}": resources which do not have REST API/s cannot be encrypted`);
    if (group === 'events.k8s.io')
      wrong(
        "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
      );
    if (group === 'extensions')
      wrong("'extensions' group has been removed and cannot be used for encryption");
    if (group === '*' && resource !== '*')
      wrong(`"${name}": encrypting the same resource across groups is not supported`);
  }
  if (new Set(names).size < names.length) wrong('the same resource cannot be specified multiple times');
  const all = names.map(parseResource);
  const overlaps = all.some((a, i) =>
    all.some((b, j) => i !== j && (shown(a) === '*.*' || (a.group === b.group && a.resource === '*'))),
  );
  if (overlaps)
    wrong(
      "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
    );
}

function transformerOf(provider: Provider | null, at: string, ciphers: Ciphers) {
  const given = kinds.filter((kind) => provider && kind in provider);
  if (given.length > 1)
    throw new EncryptionConfigError(
      `${at}: more than one provider specified in a single element, should split into different list elements`,
    );
  const [kind] = given;
  if (!kind)
    throw new EncryptionConfigError(
      `${at}: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity`,
    );
  if (kind === 'kms')
    throw new EncryptionConfigError(
      `${at}: KMS providers are not supported: use secretbox, aesgcm or aescbc`,
    );
  if (kind === 'identity') return { prefix: '', transformer: identity };
  const made = { aescbc, aesgcm, secretbox }[kind];
  const keys = listAt(provider![kind]?.keys, `${at}.${kind}.keys`).map((key, i) => {
    const { name, secret } = readKey(key, `${at}.${kind}.keys[${i}]`, keySizes[kind]);
    return { prefix: `${name}:`, transformer: made(secret, ciphers) };
  });
  const title = kind === 'secretbox' ? 'Secretbox' : 'AES';
  return {
    prefix: `k8s:enc:${kind}:v1:`,
    transformer: byPrefix(keys, `no matching key was found for the provided ${title} transformer`),
  };
}

function readKey(
  key: Partial<Key> | null,
  at: string,
  sizes: number[],
): { name: string; secret: Uint8Array } {
  const { name, secret } = key ?? {};
  for (const [field, value] of Object.entries({ name, secret }))
    if (!value) throw new EncryptionConfigError(`${at}.${field}: ${field} is a mandatory field for a key`);
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(String(secret)), (c) => c.charCodeAt(0));
  } catch {
    throw new EncryptionConfigError(`${at}.secret: secrets must be base64 encoded`);
  }
  if (!sizes.includes(bytes.length))
    throw new EncryptionConfigError(
      `${at}.secret: secret is not of the expected length, got ${bytes.length}, expected one of [${sizes.join(' ')}]`,
    );
  return { name: String(name), secret: bytes };
}
