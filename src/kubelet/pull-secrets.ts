// Credentials for registries, from the pod's imagePullSecrets.
// https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/
import type { Secret } from '../api/core/v1.gen.ts';
import type { AuthConfig } from '../cri/cri.ts';
import { parseImageName } from '../cri/image-name.ts';
import { fromBase64 } from './environment.ts';

interface DockerEntry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

const text = (base64: string): string => new TextDecoder().decode(fromBase64(base64));

/** Registry -> entry. A secret that cannot be read gives none: the pull then fails for want of credentials. */
function entriesOf(secret: Secret): [string, DockerEntry][] {
  const config = secret.data?.['.dockerconfigjson'];
  const legacy = secret.data?.['.dockercfg'];
  try {
    if (config) return Object.entries(JSON.parse(text(config)).auths ?? {});
    if (legacy) return Object.entries(JSON.parse(text(legacy)));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof DOMException)) throw error;
  }
  return [];
}

const hub = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** `https://index.docker.io/v1/` and `*.example.com/team` against a name's domain and path. */
function matches(registry: string, { host: domain, path }: { host: string; path: string }): boolean {
  const [host, ...rest] = registry
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .split('/');
  const prefix = rest.join('/').replace(/\/$/, '');
  const inPath = prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
  if (hub.includes(host!) && hub.includes(domain)) return inPath;
  const parts = host!.split('.');
  const own = domain.split('.');
  const inHost = parts.length === own.length && parts.every((part, i) => glob(part, own[i]!));
  return inHost && inPath;
}
const glob = (pattern: string, value: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(value);

/** Without the registry's address: the runtime would take it for a URL, which `host:port` is not. */
function authOf({ username, password, auth, identitytoken }: DockerEntry): AuthConfig {
  if (identitytoken) return { identityToken: identitytoken };
  if (auth && (!username || !password)) {
    const plain = text(auth);
    const colon = plain.indexOf(':');
    return { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
  }
  return { username: username ?? '', password: password ?? '' };
}

/** Credentials that fit the image, the most specific registry first; [] where none does. */
export function credentialsFor(image: string, pullSecrets: Secret[]): AuthConfig[] {
  const name = parseImageName(image);
  if (!name) return [];
  return pullSecrets
    .flatMap(entriesOf)
    .filter(([registry]) => matches(registry, name))
    .sort(([a], [b]) => b.length - a.length)
    .map(([, entry]) => authOf(entry));
}
