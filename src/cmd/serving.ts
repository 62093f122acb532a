// The servers of components that run alone. Source: "kube-scheduler", "kube-controller-manager", "kube-proxy", their flags.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { configMaps } from '../api/core/config-map.ts';
import { Health } from '../apiserver/health/health.ts';
import type { Client } from '../client/client.ts';
import { Delegated } from '../client/delegated.ts';
import { transportFrom } from '../client/node/kubeconfig.ts';
import { createClient } from '../client/typed.ts';
import { issue, makeAuthority } from '../cluster/node/certificates.ts';
import {
  type ComponentServer,
  healthPages,
  metricsPages,
  type Pages,
  type Protection,
  serveComponent,
} from '../cluster/node/component-server.ts';
import { systemClock } from '../cluster/node/platform.ts';
import { sleep } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { MetricRegistry } from '../machinery/metrics.ts';
import { UserError } from './command.ts';
import { orSay } from './port.ts';

type Flags = Record<string, string | undefined>;

/** Flags of a server over HTTPS whose askers the API server vouches for. */
export const secureFlags = (port: number) => [
  {
    name: 'bind-address',
    value: 'IP',
    help: 'where to answer for health and metrics',
    default: '0.0.0.0',
  },
  {
    name: 'secure-port',
    value: 'PORT',
    help: '/healthz, /livez, /readyz and /metrics over HTTPS; 0 for none',
    default: String(port),
  },
  {
    name: 'tls-cert-file',
    value: 'FILE',
    help: 'certificate of that server (default: one that it signs itself)',
  },
  { name: 'tls-private-key-file', value: 'FILE', help: 'key of that certificate' },
  {
    name: 'client-ca-file',
    value: 'FILE',
    help: 'authority of those who ask with a certificate (default: what the API server publishes)',
  },
  {
    name: 'authentication-kubeconfig',
    value: 'FILE',
    help: 'how to ask whose token it is (default: --kubeconfig)',
  },
  {
    name: 'authorization-kubeconfig',
    value: 'FILE',
    help: 'how to ask who may see metrics (default: --kubeconfig)',
  },
  {
    name: 'authorization-always-allow-paths',
    value: 'PATHS',
    help: 'what everybody may ask',
    default: '/healthz,/readyz,/livez',
  },
];

export interface Served {
  registry: MetricRegistry;
  health: Health;
  pages?: Pages;
  log: Log;
}

/** As the flags say; undefined where no port is wanted. Throws a UserError. */
export async function serveSecure(
  name: string,
  flags: Flags,
  { registry, health, pages, log }: Served,
): Promise<ComponentServer | undefined> {
  const port = Number(flags['secure-port']);
  if (!/^\d+$/.test(flags['secure-port'] ?? '') || port > 65_535)
    throw new UserError(`--secure-port takes a port or 0, not "${flags['secure-port']}".`, 2);
  if (port === 0) return undefined;
  const host = flags['bind-address']!;
  const protection = await protectionOf(name, flags, log);
  return orSay(port, '--secure-port (0: none)', () =>
    serveComponent({
      pages: { ...healthPages(health), ...metricsPages(registry), ...pages },
      ...{ host, port, log, protection },
    }),
  );
}

async function protectionOf(name: string, flags: Flags, log: Log): Promise<Protection> {
  const { 'tls-cert-file': certFile, 'tls-private-key-file': keyFile } = flags;
  if (Boolean(certFile) !== Boolean(keyFile))
    throw new UserError('--tls-cert-file and --tls-private-key-file go together.', 2);
  const clientOf = async (flag: string) =>
    createClient(await transportFrom(flags[flag] ?? flags.kubeconfig, { userAgent: `wherry-${name}` }));
  const tokens = await clientOf('authentication-kubeconfig');
  const access = flags['authorization-kubeconfig'] ? await clientOf('authorization-kubeconfig') : tokens;
  const own = flags['client-ca-file'];
  return {
    ...(certFile ? { cert: read(certFile), key: read(keyFile!) } : await selfSigned(name, flags)),
    clientCA: async () => (own ? read(own) : publishedAuthority(tokens, log)),
    delegated: new Delegated(tokens, systemClock, access),
    open: flags['authorization-always-allow-paths']!.split(',').map((path) => path.trim()),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

async function selfSigned(name: string, flags: Flags) {
  const now = systemClock.now();
  const hosts = [...new Set(['localhost', '127.0.0.1', hostname(), flags['bind-address']!])];
  return issue(await makeAuthority(`${name}-ca`, now), { commonName: name, hosts }, now);
}

/** An API server that does not answer shall not keep us from telling how we are. */
const lookupMs = 2000;

/** Of clients' certificates, as the API server tells its extensions. Undefined while it does not. */
async function publishedAuthority(client: Client, log: Log): Promise<string | undefined> {
  const late = new AbortController();
  try {
    const map = await Promise.race([
      client(configMaps).get('extension-apiserver-authentication', {
        ...{ namespace: 'kube-system', signal: late.signal },
      }),
      sleep(systemClock, lookupMs, late.signal).then(() => {
        throw new Error(`no answer within ${lookupMs} ms`);
      }),
    ]);
    return map.data?.['client-ca-file'];
  } catch (error) {
    log.warn('the authority of clients is not known yet: those who ask with a certificate are nobody', {
      error: String(error),
    });
    return undefined;
  } finally {
    late.abort(new Error('over'));
  }
}

/** The health of a component: that it lives, and that it knows the cluster. `synced`: what its term says. */
export function componentHealth(synced: () => boolean, elects: boolean): Health {
  const health = new Health();
  health.add('ping', () => undefined);
  // A leader that cannot renew its lease steps down by itself.
  if (elects) health.add('leaderElection', () => undefined);
  health.add('informer-sync', () => (synced() ? undefined : 'caches are not filled yet'), ['readyz']);
  return health;
}

/** Over plain HTTP, for everybody. */
export const servePlain = (
  address: { host: string; port: number } | undefined,
  flag: string,
  pages: Pages,
  log: Log,
): Promise<ComponentServer | undefined> =>
  address
    ? orSay(address.port, `--${flag}`, () => serveComponent({ pages, ...address, log }))
    : Promise.resolve(undefined);
