import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import type { ExecConfig } from '../kubeconfig.ts';
import {
  type Access,
  chooseAccess,
  type Kubeconfig,
  KubeconfigError,
  mergeKubeconfigs,
  type Overrides,
  parseKubeconfig,
  type UserEntry,
} from '../kubeconfig.ts';
import type { Rest } from '../rest.ts';
import { restMetrics } from '../rest-metrics.ts';
import { type ExecCredential, execCredential } from './exec-credential.ts';
import { type Credentials, type HttpsOptions, httpsTransport } from './https.ts';

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A token file is read again this often: the kubelet renews it there. */
const tokenFileMs = 60_000;

/** The files that count: `--kubeconfig`, else `KUBECONFIG`, else `~/.kube/config`. */
export function kubeconfigPaths(
  explicit: string | undefined,
  env: Record<string, string | undefined> = process.env,
): string[] {
  if (explicit) return [explicit];
  if (env.KUBECONFIG) return [...new Set(env.KUBECONFIG.split(delimiter).filter(Boolean))];
  return [join(env.HOME || homedir(), '.kube', 'config')];
}

/** Reads and merges them. Missing files are left out, unless the only one was asked for by name. */
export function loadKubeconfig(
  explicit?: string,
  env: Record<string, string | undefined> = process.env,
): Kubeconfig {
  const paths = kubeconfigPaths(explicit, env);
  if (explicit && !existsSync(explicit))
    throw new KubeconfigError(`stat ${explicit}: no such file or directory`);
  return mergeKubeconfigs(
    paths
      .filter((path) => existsSync(path))
      .map((path) => {
        const directory = dirname(resolve(path));
        return parseKubeconfig(readFileSync(path, 'utf8'), (relative) => resolve(directory, relative));
      }),
  );
}

/** The pod's own service account, where this process runs in one. */
export function inClusterOptions(
  env: Record<string, string | undefined> = process.env,
): HttpsOptions | undefined {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT;
  const tokenFile = join(serviceAccount, 'token');
  if (!host || !port || !existsSync(tokenFile)) return undefined;
  const ca = join(serviceAccount, 'ca.crt');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: existsSync(ca) ? readFileSync(ca, 'utf8') : undefined,
    credentials: fileToken(tokenFile),
  };
}

const fromBase64 = (data: string): string => Buffer.from(data, 'base64').toString('utf8');
const pem = (data: string | undefined, path: string | undefined): string | undefined =>
  data ? fromBase64(data) : path ? readFileSync(path, 'utf8') : undefined;

/** Connection options for what a kubeconfig chose. Runs an exec plugin only where it gives a client certificate. */
export async function connectionOptions(
  access: Access,
  env: Record<string, string | undefined> = process.env,
): Promise<HttpsOptions> {
  const { cluster, user } = access;
  const insecure = cluster['insecure-skip-tls-verify'] === true;
  const ca = pem(cluster['certificate-authority-data'], cluster['certificate-authority']);
  const cert = pem(user['client-certificate-data'], user['client-certificate']);
  const server = withScheme(cluster.server || 'localhost:8080', Boolean(ca || cert || insecure));
  const options: HttpsOptions = {
    server,
    ca,
    cert,
    key: pem(user['client-key-data'], user['client-key']),
    serverName: cluster['tls-server-name'],
    insecure,
    headers: impersonation(user),
    compress: !cluster['disable-compression'] && !/^https?:\/\/(localhost|127\.|\[::1\])/.test(server),
  };
  if (cluster['proxy-url'])
    throw new KubeconfigError('proxy-url in a kubeconfig is not supported: reach the server directly');
  if (user['auth-provider'])
    throw new KubeconfigError(
      `The ${user['auth-provider'].name} auth plugin has been removed; use an exec credential plugin.`,
    );
  if (user.token) options.token = user.token;
  else if (user.tokenFile) options.credentials = fileToken(user.tokenFile);
  else if (user.username !== undefined) {
    const pair = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64');
    options.headers = { ...options.headers, authorization: `Basic ${pair}` };
  } else if (user.exec) {
    const plugin = execToken(user.exec, env, {
      server,
      'tls-server-name': cluster['tls-server-name'],
      'certificate-authority-data': options.ca && Buffer.from(options.ca).toString('base64'),
      'insecure-skip-tls-verify': insecure || undefined,
    });
    const first = await plugin.current();
    if (first.clientCertificateData) options.cert = first.clientCertificateData;
    if (first.clientKeyData) options.key = first.clientKeyData;
    options.credentials = plugin;
  }
  return options;
}

/** A bare `host:port` is https where anything of TLS is told, as client-go takes it. */
const withScheme = (server: string, tls: boolean): string =>
  /^https?:\/\//.test(server) ? server : `${tls ? 'https' : 'http'}://${server}`;

function impersonation(user: UserEntry): Record<string, string> | undefined {
  if (!user.as) return undefined;
  const headers: Record<string, string> = { 'impersonate-user': user.as };
  if (user['as-uid']) headers['impersonate-uid'] = user['as-uid'];
  if (user['as-groups']?.length)
    (headers as Record<string, unknown>)['impersonate-group'] = user['as-groups'];
  for (const [key, values] of Object.entries(user['as-user-extra'] ?? {}))
    (headers as Record<string, unknown>)[`impersonate-extra-${encodeURIComponent(key)}`] = values;
  return headers;
}

function fileToken(path: string): Credentials {
  let token = '';
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    async headers() {
      if (performance.now() - readAt > tokenFileMs) {
        token = readFileSync(path, 'utf8').trim();
        readAt = performance.now();
      }
      return { authorization: `Bearer ${token}` };
    },
    async refresh() {
      const before = token;
      readAt = Number.NEGATIVE_INFINITY;
      await this.headers();
      return token !== before;
    },
  };
}

function execToken(
  config: ExecConfig,
  env: Record<string, string | undefined>,
  cluster: Parameters<typeof execCredential>[2],
): Credentials & { current(): Promise<ExecCredential> } {
  let running: Promise<ExecCredential> | undefined;
  let known: ExecCredential | undefined;
  const current = async (): Promise<ExecCredential> => {
    if (known && (known.expiresMs === undefined || known.expiresMs > Date.now() + 10_000)) return known;
    running ??= execCredential(config, env, cluster).finally(() => {
      running = undefined;
    });
    known = await running;
    return known;
  };
  return {
    current,
    async headers(): Promise<Record<string, string>> {
      const { token } = await current();
      return token ? { authorization: `Bearer ${token}` } : {};
    },
    async refresh() {
      const before = known?.token;
      known = undefined;
      return (await current()).token !== before;
    },
  };
}

/**
 * A Transport for a kubeconfig: what `--kubeconfig FILE` of a component means. In a pod, without a file, its own service
 * account. Throws a KubeconfigError that says what is missing.
 */
export async function transportFrom(
  kubeconfig: string | undefined,
  options: {
    overrides?: Overrides;
    userAgent?: string;
    env?: Record<string, string | undefined>;
    /** Where requests are counted, if anywhere. */
    metrics?: MetricRegistry;
  } = {},
): Promise<Rest> {
  const { env = process.env, overrides, userAgent, metrics } = options;
  const transport = (settings: HttpsOptions) =>
    httpsTransport({
      ...settings,
      userAgent,
      ...(metrics ? { observe: restMetrics(metrics, settings.server) } : {}),
    });
  const config = loadKubeconfig(kubeconfig, env);
  if (!kubeconfig && !config.clusters.length && !overrides?.server) {
    const inCluster = inClusterOptions(env);
    if (inCluster) return transport(inCluster);
  }
  return transport(await connectionOptions(chooseAccess(config, overrides), env));
}
