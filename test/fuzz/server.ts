// The process that is attacked: an API server over HTTPS as a cluster has it, with a store in memory and a kubelet that only
// echoes. It tells its parent what went wrong, and how long its event loop stood still.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { customResourceDefinitions } from '../../src/api/apiextensions/custom-resource-definition.ts';
import { configMaps } from '../../src/api/core/config-map.ts';
import { namespaces } from '../../src/api/core/namespace.ts';
import { nodes } from '../../src/api/core/node.ts';
import { pods } from '../../src/api/core/pod.ts';
import { clusterRoleBindings } from '../../src/api/rbac/cluster-role-binding.ts';
import { handle } from '../../src/apiserver/http/handler.ts';
import { openApiPaths } from '../../src/apiserver/http/openapi.ts';
import { builtInPaths } from '../../src/apiserver/http/paths.ts';
import { metricsPaths } from '../../src/apiserver/metrics/paths.ts';
import { serveHttps } from '../../src/apiserver/node/https-server.ts';
import { createUpgradeHandler, streamConnectors } from '../../src/apiserver/node/streams/index.ts';
import type { KubeletConnections } from '../../src/apiserver/streams/kubelet-connection.ts';
import { issue, makeAuthority } from '../../src/cluster/node/certificates.ts';
import { processMetrics } from '../../src/cluster/node/platform.ts';
import { createLog } from '../../src/machinery/log.ts';
import { startControlPlane } from '../../src/testing/control-plane.ts';
import { definition } from './definition.ts';

export interface Identity {
  cert: string;
  key: string;
}

/** What the server tells when it listens. */
export interface Listening {
  type: 'listening';
  port: number;
  ca: string;
  /** May do everything, but waits its turn like anybody. */
  attacker: Identity;
  /** The well-behaved client. */
  friend: Identity;
  /** May do nothing at all. */
  nobody: Identity;
}

export interface Figures {
  type: 'figures';
  /** Longest stall of the event loop since the last figures, and the 99th percentile, in milliseconds. */
  stallMs: number;
  stallP99Ms: number;
  /** The most CPU time that went between two looks at the clock: what a stall is made of where others do not take the CPU. */
  busyMs: number;
  rssBytes: number;
  heapBytes: number;
  /** Outside of the heap: buffers. */
  externalBytes: number;
  connections: number;
}

export type Told = Listening | Figures | { type: 'problem'; what: string };

const tell = (what: Told): void => void process.send?.(what);
const problem = (what: string): void => tell({ type: 'problem', what });

process.on('unhandledRejection', (reason) =>
  problem(`unhandled rejection: ${(reason as Error)?.stack ?? reason}`),
);
process.on('uncaughtException', (error) => problem(`uncaught exception: ${error?.stack ?? error}`));
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') problem(`warning: ${warning.stack ?? warning.message}`);
});

const log = createLog((level, message, fields) => {
  if (level !== 'error') return;
  const { error, ...rest } = fields;
  problem(`${message} ${JSON.stringify(rest).slice(0, 500)} ${(error as Error)?.stack ?? ''}`);
});

// A runtime that answers with what it is sent.
const runtime = createServer((_request, response) => response.end('hello'));
runtime.on('upgrade', (_request, socket) => {
  socket.on('error', () => socket.destroy());
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n');
  socket.pipe(socket);
});
await new Promise<void>((resolve) => runtime.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(runtime.address() as AddressInfo).port}/`;
async function* lines(): AsyncIterable<Uint8Array> {
  for (let i = 0; i < 1000; i++) yield new TextEncoder().encode(`${'line '.repeat(200)}\n`);
}
const kubelets: KubeletConnections = {
  find: (name) =>
    name !== 'node-1'
      ? undefined
      : ({
          logs: async () => lines(),
          execUrl: async () => ({ url }),
          attachUrl: async () => ({ url }),
          portForwardUrl: async () => ({ url }),
          proxy: async ({ path }: { path: string }) => ({
            code: 200,
            headers: { 'content-type': 'text/plain' },
            body: path,
          }),
        } as never),
};

const plane = await startControlPlane({ log });
const { server, client } = plane;
await client(clusterRoleBindings).create({
  metadata: { name: 'attackers' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  subjects: ['attacker', 'friend'].map((name) => ({
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'User',
    name,
  })),
});
await client(nodes).create({ metadata: { name: 'node-1' } } as never);
await client(namespaces).create({ metadata: { name: 'friend' }, spec: {} });
await client(pods).create({
  metadata: { name: 'pod', namespace: 'default' },
  spec: { nodeName: 'node-1', containers: [{ name: 'c', image: 'i' }] },
} as never);
await client(customResourceDefinitions).create(definition('widgets') as never);

// What selectors have to look at.
for (let i = 0; i < 3000; i += 100)
  await Promise.all(
    Array.from({ length: 100 }, (_, j) =>
      client(configMaps).create({
        metadata: { name: `many-${i + j}`, namespace: 'friend', labels: { a: `v${i + j}`, b: 'x' } },
      }),
    ),
  );

const now = Date.now();
const authority = await makeAuthority('fuzz', now);
const pair = await issue(authority, { commonName: 'kube-apiserver', hosts: ['127.0.0.1'] }, now);
const closing = new AbortController();
const options = {
  paths: [...builtInPaths, metricsPaths(processMetrics), openApiPaths()],
  connectors: streamConnectors(server, kubelets),
  closing: closing.signal,
};
const https = await serveHttps({
  ...{ host: '127.0.0.1', port: 0, ...pair, clientCA: authority.cert },
  handle: (exchange) => handle(server, exchange, options),
  upgrade: createUpgradeHandler(server, kubelets),
});
const identity = (commonName: string): Promise<Identity> => issue(authority, { commonName }, now);
tell({
  type: 'listening',
  port: https.port,
  ca: authority.cert,
  attacker: await identity('attacker'),
  friend: await identity('friend'),
  nobody: await identity('nobody'),
});

const delay = monitorEventLoopDelay({ resolution: 2 });
delay.enable();
let busyMs = 0;
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let lastMs = cpuMs();
setInterval(() => {
  const nowMs = cpuMs();
  busyMs = Math.max(busyMs, nowMs - lastMs);
  lastMs = nowMs;
}, 2);
process.on('message', (message) => {
  if (message === 'stop') process.exit(0);
  if (message === 'collect') globalThis.gc?.();
  const memory = process.memoryUsage();
  tell({
    type: 'figures',
    stallMs: delay.max / 1e6,
    stallP99Ms: delay.percentile(99) / 1e6,
    busyMs: Math.max(busyMs, cpuMs() - lastMs),
    rssBytes: memory.rss,
    heapBytes: memory.heapUsed,
    externalBytes: memory.external,
    connections: Number(process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length),
  });
  delay.reset();
  busyMs = 0;
  lastMs = cpuMs();
});
process.on('disconnect', () => process.exit(0));
