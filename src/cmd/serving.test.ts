import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { configMaps } from '../api/core/config-map.ts';
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import { services } from '../api/core/service.ts';
import { serviceAccounts } from '../api/core/service-account.ts';
import { clusterRoles } from '../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../api/rbac/cluster-role-binding.ts';
import { writeKubeconfig } from '../cluster/node/kubeconfig.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { readMetrics } from '../testing/exposition.ts';
import { type HttpsPlane, type Identity, serveControlPlane } from '../testing/https-server.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
let plane: ControlPlane;
let https: HttpsPlane;
let dir: string;
let token: string;
const running: ChildProcess[] = [];

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'wherry-serving-'));
  plane = await startControlPlane();
  https = await serveControlPlane(plane);
  const { client } = plane;
  await client(serviceAccounts).create({ metadata: { name: 'scraper', namespace: 'default' } });
  const made: any = await client(serviceAccounts).createSubresource(
    ...(['scraper', 'token', { spec: { expirationSeconds: 3600 } }, { namespace: 'default' }] as [
      string,
      string,
      any,
      any,
    ]),
  );
  token = made.status.token;
  await client(clusterRoles).create({
    metadata: { name: 'scrape' },
    rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
  });
  await client(clusterRoleBindings).create({
    metadata: { name: 'scrape' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'scrape' },
    subjects: [{ kind: 'ServiceAccount', name: 'scraper', namespace: 'default' }],
  });
});
after(async () => {
  for (const child of running) child.kill('SIGKILL');
  await https[Symbol.asyncDispose]();
  await plane.stop();
  rmSync(dir, { recursive: true });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

async function kubeconfigOf(user: string, groups: string[] = []): Promise<string> {
  const path = join(dir, `${user.replaceAll(':', '-')}.kubeconfig`);
  const server = `https://127.0.0.1:${https.port}`;
  writeKubeconfig(path, { name: user, server, ca: https.ca, ...(await https.identity(user, groups)) });
  return path;
}

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  return child;
}
async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
}

interface Who {
  token?: string;
  identity?: Identity;
}
const ask = (port: number, path: string, { token, identity }: Who = {}) =>
  new Promise<{ code: number; text: string }>((resolve, reject) => {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const tls = { rejectUnauthorized: false, ...identity };
    request({ host: '127.0.0.1', port, path, headers, agent: false, ...tls }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve({ code: response.statusCode!, text }));
    })
      .on('error', reject)
      .end();
  });

/** Asks until the answer is as wanted. */
async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; ; tries++) {
    const found = await attempt().catch(() => undefined);
    if (found !== undefined) return found;
    assert.ok(tries < 200, 'it does not come');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const whenReady = (port: number) =>
  until(async () => ((await ask(port, '/readyz')).code === 200 ? true : undefined));

test('the scheduler: who may ask what, and what it tells', async () => {
  const { client } = plane;
  const port = await freePort();
  const authority = join(dir, 'ca.crt');
  writeFileSync(authority, https.ca);
  const kubeconfig = await kubeconfigOf('system:kube-scheduler');
  const args = ['scheduler', '--kubeconfig', kubeconfig, '--bind-address', '127.0.0.1'];
  args.push('--client-ca-file', authority, '--secure-port', String(port));
  const child = start(...args);
  await whenReady(port);

  assert.deepEqual(await ask(port, '/healthz'), { code: 200, text: 'ok' });
  assert.equal((await ask(port, '/livez')).code, 200);
  assert.match((await ask(port, '/readyz?verbose')).text, /^\[\+\]ping ok\n\[\+\]leaderElection ok\n/);
  const forbidden = await ask(port, '/metrics');
  assert.equal(forbidden.code, 403);
  assert.equal(
    JSON.parse(forbidden.text).message,
    'forbidden: User "system:anonymous" cannot get path "/metrics"',
  );
  assert.equal((await ask(port, '/metrics', { token: 'made-up' })).code, 401);
  assert.equal((await ask(port, '/metrics/resources', { token })).code, 403);
  const stranger = { identity: await https.identity('somebody') };
  assert.match(
    JSON.parse((await ask(port, '/metrics', stranger)).text).message,
    /User "somebody" cannot get/,
  );
  const admin = { identity: await https.identity('root', ['system:masters']) };
  assert.equal((await ask(port, '/nothing', admin)).code, 404);

  await client(nodes).create({ metadata: { name: 'n1' }, spec: {} });
  const allocatable = { cpu: '2', memory: '1Gi', pods: '10' };
  const status = { capacity: allocatable, allocatable };
  await client(nodes).patch('n1', { status }, { type: 'merge', subresource: 'status' });
  const pod = (name: string, cpu: string): any => ({
    metadata: { name, namespace: 'default' },
    spec: {
      serviceAccountName: 'scraper',
      containers: [{ name: 'c', image: 'c', resources: { requests: { cpu }, limits: { cpu: '64' } } }],
      tolerations: [{ operator: 'Exists' }],
    },
  });
  await client(pods).create(pod('small', '500m'));
  await client(pods).create(pod('large', '64'));
  const read = async () => readMetrics((await ask(port, '/metrics', { token })).text);
  const metrics = await until(async () => {
    const now = await read();
    const done = now.sum('scheduler_schedule_attempts_total') === 2;
    return done && now.value('scheduler_pending_pods', { queue: 'unschedulable' }) === 1 ? now : undefined;
  });
  const profile = 'default-scheduler';
  const attempts = (result: string) =>
    metrics.value('scheduler_schedule_attempts_total', { profile, result });
  assert.deepEqual([attempts('scheduled'), attempts('unschedulable')], [1, 1]);
  assert.equal(metrics.value('scheduler_unschedulable_pods', { plugin: 'NodeResourcesFit', profile }), 1);
  const point = (extension_point: string, s: string) =>
    metrics.value('scheduler_framework_extension_point_duration_seconds_count', {
      ...{ extension_point, status: s, profile },
    });
  assert.deepEqual(
    [point('Filter', 'Success'), point('Filter', 'Unschedulable'), point('PostFilter', 'Unschedulable')],
    [1, 1, 1],
  );
  assert.equal(point('Bind', 'Success'), 1);
  const evaluated = { plugin: 'NodeResourcesFit', extension_point: 'Filter', profile };
  assert.equal(metrics.value('scheduler_plugin_evaluation_total', evaluated), 2);
  const incoming = { queue: 'active', event: 'UnschedulablePodAdd' };
  assert.equal(metrics.value('scheduler_queue_incoming_pods_total', incoming), 2);
  assert.equal(metrics.value('scheduler_cache_size', { type: 'nodes' }), 1);
  assert.equal(metrics.value('leader_election_master_status', { name: 'kube-scheduler' }), 1);
  const host = `127.0.0.1:${https.port}`;
  assert.ok(metrics.value('rest_client_requests_total', { code: '201', method: 'POST', host })! >= 2);
  assert.ok(metrics.value('rest_client_request_duration_seconds_count', { verb: 'GET', host })! > 5);
  assert.equal(metrics.types.get('process_cpu_seconds_total'), 'counter');
  const resources = readMetrics((await ask(port, '/metrics/resources', admin)).text);
  const of = { namespace: 'default', pod: 'small', node: 'n1', scheduler: profile, priority: '0' };
  const cpu = { ...of, resource: 'cpu', unit: 'cores' };
  assert.equal(resources.value('kube_pod_resource_request', cpu), 0.5);
  assert.equal(resources.value('kube_pod_resource_limit', cpu), 64);

  await assert.rejects(
    promisify(execFile)(process.execPath, [main, ...args]),
    ({ stderr, code }: { stderr: string; code: number }) => {
      assert.equal(code, 1);
      assert.equal(
        stderr,
        `wherry: port ${port} is in use: end what uses it ("ss -ltnp 'sport = :${port}'" tells), or choose another with --secure-port (0: none).\n`,
      );
      return true;
    },
  );
  await end(child);
});

test('the controller manager: an authority that is found in the cluster; queues', async () => {
  const { client } = plane;
  const port = await freePort();
  const kubeconfig = await kubeconfigOf('system:kube-controller-manager', ['system:masters']);
  const data = { 'client-ca-file': https.ca };
  const metadata = { name: 'extension-apiserver-authentication', namespace: 'kube-system' };
  await client(configMaps).create({ metadata, data });
  const child = start(
    ...['controller-manager', '--kubeconfig', kubeconfig, '--leader-elect', 'false'],
    ...['--bind-address', '127.0.0.1', '--secure-port', String(port)],
  );
  await whenReady(port);
  assert.match((await ask(port, '/readyz?verbose')).text, /^\[\+\]ping ok\n\[\+\]informer-sync ok\n/);
  const admin = { identity: await https.identity('root', ['system:masters']) };
  const { code, text } = await ask(port, '/metrics', admin);
  assert.equal(code, 200);
  const metrics = readMetrics(text);
  assert.ok(metrics.value('workqueue_adds_total', { name: 'serviceaccount' })! > 0);
  assert.ok(metrics.sum('rest_client_requests_total') > 10);
  assert.match((await ask(port, '/metrics/slis', admin)).text, /kubernetes_healthcheck\{name="ping"/);
  await end(child);
});

const plainly = async (port: number, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { code: response.status, text: await response.text() };
};

test('kube-proxy: health and metrics, each at its own address', async () => {
  const [metricsPort, healthPort] = [await freePort(), await freePort()];
  const kubeconfig = await kubeconfigOf('system:kube-proxy', ['system:masters']);
  const args = [
    'proxy',
    '--kubeconfig',
    kubeconfig,
    '--proxy-mode',
    'simulated',
    '--hostname-override',
    'n1',
  ];
  args.push('--metrics-bind-address', `127.0.0.1:${metricsPort}`);
  const child = start(...args, '--healthz-bind-address', `127.0.0.1:${healthPort}`);
  const health = await until(async () => {
    const { code, text } = await plainly(healthPort, '/healthz');
    return code === 200 ? JSON.parse(text) : undefined;
  });
  assert.equal(health.nodeEligible, true);
  assert.equal(health.status.IPv4.healthy, true);
  assert.equal('nodeEligible' in JSON.parse((await plainly(healthPort, '/livez')).text), false);
  assert.equal((await plainly(metricsPort, '/proxyMode')).text, 'simulated');
  const metrics = await until(async () => {
    const now = readMetrics((await plainly(metricsPort, '/metrics')).text);
    const synced = now.value('kubeproxy_sync_proxy_rules_duration_seconds_count', { ip_family: 'IPv4' });
    return synced ? now : undefined;
  });
  assert.ok(metrics.value('kubeproxy_sync_proxy_rules_last_timestamp_seconds', { ip_family: 'IPv4' })! > 1e9);
  assert.ok(metrics.value('kubeproxy_proxy_healthz_total', { code: '200' })! >= 1);
  assert.ok(metrics.sum('rest_client_requests_total') > 0);
  const again = [main, ...args, '--healthz-bind-address', ''];
  await assert.rejects(promisify(execFile)(process.execPath, again), ({ stderr }: { stderr: string }) => {
    assert.match(stderr, /^wherry: port \d+ is in use: .* choose another with --metrics-bind-address\.\n$/);
    return true;
  });
  await end(child);
});

test("the DNS server: CoreDNS' three addresses", async () => {
  const [dnsPort, metrics, health, ready] = [...(await Promise.all([1, 2, 3, 4].map(freePort)))];
  const kubeconfig = await kubeconfigOf('system:dns', ['system:masters']);
  const args = ['dns', '--kubeconfig', kubeconfig, '--dns.port', String(dnsPort)];
  args.push('--metrics-bind-address', `127.0.0.1:${metrics}`, '--health-bind-address', `127.0.0.1:${health}`);
  const child = start(...args, '--ready-bind-address', `127.0.0.1:${ready}`);
  await until(async () => ((await plainly(ready!, '/ready')).code === 200 ? true : undefined));
  assert.equal((await plainly(health!, '/health')).text, 'OK');
  const spec = { clusterIP: '10.96.0.77', ports: [{ port: 80 }] };
  await plane.client(services).create({ metadata: { name: 'web', namespace: 'default' }, spec } as never);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  assert.deepEqual(await until(() => resolver.resolve4('web.default.svc.cluster.local')), ['10.96.0.77']);
  const told = readMetrics((await plainly(metrics!, '/metrics')).text);
  const block = { server: 'dns://:53', zone: '.', view: '' };
  const asked = { ...block, proto: 'udp', family: '1', type: 'A' };
  assert.ok(told.value('coredns_dns_requests_total', asked)! >= 1);
  const answered = { ...block, rcode: 'NOERROR', plugin: '' };
  assert.equal(told.value('coredns_dns_responses_total', answered), 1);
  const cache = { server: 'dns://:53', zones: '.', view: '' };
  assert.ok(told.value('coredns_cache_requests_total', cache)! >= 1);
  await end(child);
});

test('etcd: metrics and health, also where nothing else is', async () => {
  const [clientPort, metricsPort] = [await freePort(), await freePort()];
  const child = start(
    ...['etcd', '--data-dir', join(dir, 'etcd'), '--listen-client-urls', `http://127.0.0.1:${clientPort}`],
    ...['--listen-metrics-urls', `http://127.0.0.1:${metricsPort}`],
  );
  await until(async () => ((await plainly(metricsPort, '/readyz')).code === 200 ? true : undefined));
  assert.deepEqual(await plainly(metricsPort, '/livez'), { code: 200, text: 'ok\n' });
  assert.deepEqual(JSON.parse((await plainly(clientPort, '/health')).text), { health: 'true', reason: '' });
  await promisify(execFile)('etcdctl', ['--endpoints', `127.0.0.1:${clientPort}`, 'put', '/a', '1'], {
    env: { ...process.env, ETCDCTL_API: '3' },
  });
  const metrics = readMetrics((await plainly(metricsPort, '/metrics')).text);
  assert.equal(metrics.value('etcd_server_has_leader'), 1);
  assert.equal(metrics.value('etcd_debugging_mvcc_keys_total'), 1);
  const put = { grpc_type: 'unary', grpc_service: 'etcdserverpb.KV', grpc_method: 'Put' };
  assert.equal(metrics.value('grpc_server_handled_total', { ...put, grpc_code: 'OK' }), 1);
  assert.equal(metrics.types.get('process_resident_memory_bytes'), 'gauge');
  await end(child);
});
