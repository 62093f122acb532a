// Smaller rules: resolver, names, credentials, admission, resources, what may be removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, Secret } from '../api/core/v1.gen.ts';
import { admit } from './admission.ts';
import { subPathOf } from './container-mounts.ts';
import { parseResolvConf, podResolver } from './dns-config.ts';
import { surplusContainers } from './garbage.ts';
import { kernelHostname, podHostname } from './hostname.ts';
import {
  cpuQuota,
  cpuShares,
  oomScoreAdjust,
  podCgroup,
  podCgroupSettings,
  podRequests,
  qosClass,
} from './pod-resources.ts';
import type { ContainerState } from './pod-runtime.ts';
import { emptyRuntime } from './pod-runtime.ts';
import { credentialsFor } from './pull-secrets.ts';
import { judgeResize } from './resize.ts';
import { checkNonRoot } from './security-context.ts';

const podOf = (spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: { containers: [{ name: 'a' }], ...spec },
});
const withResources = (requests?: Record<string, string>, limits?: Record<string, string>) =>
  podOf({
    containers: [
      { name: 'a', resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) } },
    ],
  });

test('resolvers by policy', () => {
  const node = parseResolvConf(
    '# comment\nnameserver 8.8.8.8\nsearch first.\nsearch corp.example\noptions rotate\n',
  );
  const settings = { clusterDNS: ['10.96.0.10'], clusterDomain: 'cluster.local', node };
  const { warnings, ...cluster } = podResolver(podOf(), settings);
  assert.deepEqual(cluster, {
    servers: ['10.96.0.10'],
    searches: ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example'],
    options: ['ndots:5'],
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(podResolver(podOf({ dnsPolicy: 'Default' }), settings).servers, ['8.8.8.8']);
  assert.deepEqual(podResolver(podOf({ hostNetwork: true }), settings).servers, ['8.8.8.8']);
  const dnsConfig = {
    nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'],
    options: [{ name: 'ndots', value: '2' }, { name: 'debug' }],
  };
  const own = podResolver(podOf({ dnsPolicy: 'None', dnsConfig }), settings);
  assert.deepEqual(own.servers, ['1.1.1.1', '2.2.2.2', '3.3.3.3']);
  assert.deepEqual(own.options, ['ndots:2', 'debug']);
  assert.match(own.warnings[0]!, /^Nameserver limits were exceeded/);
});

test('hostnames', () => {
  const pod = podOf({ hostname: 'boat', subdomain: 'harbour', setHostnameAsFQDN: true });
  const names = podHostname(pod, 'cluster.local');
  assert.deepEqual(names, { hostname: 'boat', domain: 'harbour.n.svc.cluster.local' });
  assert.equal(kernelHostname(pod, names), 'boat.harbour.n.svc.cluster.local');
  const long = { ...podOf(), metadata: { name: `${'x'.repeat(62)}-y`, namespace: 'n' } };
  assert.equal(podHostname(long, 'cluster.local').hostname, 'x'.repeat(62));
});

test('credentials: the most specific registry first', () => {
  const secret = (auths: object): Secret => ({
    metadata: {},
    data: { '.dockerconfigjson': btoa(JSON.stringify({ auths })) },
  });
  const entry = (user: string) => ({ auth: btoa(`${user}:pass:word`) });
  const secrets = [
    secret({
      'https://index.docker.io/v1/': entry('hub'),
      '*.example.com': entry('any'),
      'r.example.com/team': entry('team'),
    }),
    { metadata: {}, data: { '.dockerconfigjson': btoa('{broken') } },
  ];
  const users = (image: string) =>
    credentialsFor(image, secrets).map(({ username, password }) => `${username} ${password}`);
  assert.deepEqual(users('busybox'), ['hub pass:word']);
  assert.deepEqual(users('r.example.com/team/app:1'), ['team pass:word', 'any pass:word']);
  assert.deepEqual(users('r.example.com/other'), ['any pass:word']);
  assert.deepEqual(users('example.com/x'), []);
});

test('quality of service, and what the cgroup gets', () => {
  const guaranteed = withResources({ cpu: '1', memory: '1Gi' }, { cpu: '1', memory: '1Gi' });
  const burstable = withResources({ cpu: '250m' }, { cpu: '500m' });
  assert.deepEqual([guaranteed, burstable, podOf()].map(qosClass), ['Guaranteed', 'Burstable', 'BestEffort']);
  assert.equal(podCgroup(guaranteed, '/root'), '/root/kubepods/podu');
  assert.equal(podCgroup(podOf()), '/kubepods/besteffort/podu');
  assert.deepEqual(podCgroupSettings(burstable), { cpuShares: 256, cpuPeriod: 100_000, cpuQuota: 50_000 });
  assert.deepEqual(podCgroupSettings(guaranteed), {
    cpuShares: 1024,
    cpuPeriod: 100_000,
    cpuQuota: 100_000,
    memoryBytes: 2 ** 30,
  });
  assert.deepEqual([cpuShares(0), cpuShares(1), cpuQuota(0), cpuQuota(5)], [2, 2, -1, 1000]);
  const [container] = withResources({ memory: '1Gi' }).spec!.containers;
  assert.equal(oomScoreAdjust(withResources({ memory: '1Gi' }), container!, 4 * 2 ** 30), 750);
  assert.equal(oomScoreAdjust(guaranteed, guaranteed.spec!.containers[0]!, 2 ** 30), -997);
});

test('requests: sidecars beside the containers, init containers one at a time', () => {
  const cpu = (name: string, amount: string, more = {}) => ({
    name,
    resources: { requests: { cpu: amount } },
    ...more,
  });
  const initContainers = [cpu('i', '3'), cpu('s', '1', { restartPolicy: 'Always' }), cpu('j', '1500m')];
  const pod = podOf({ initContainers, containers: [cpu('a', '500m')], overhead: { cpu: '100m' } });
  assert.equal(podRequests(pod).cpu, '3100m');
  pod.spec!.containers.push(cpu('b', '2'));
  assert.equal(podRequests(pod).cpu, '3600m');
});

test('admission', () => {
  const node: Node = {
    metadata: { name: 'n', labels: { disk: 'ssd' } },
    spec: {},
    status: { allocatable: { cpu: '2', memory: '4Gi', pods: '2' } },
  };
  const reason = (pod: Pod, others: Pod[] = []) => admit(pod, others, node)?.reason;
  assert.equal(reason(withResources({ cpu: '2' })), undefined);
  assert.equal(reason(withResources({ cpu: '2' }), [withResources({ cpu: '1m' })]), 'OutOfcpu');
  assert.equal(reason(podOf(), [podOf(), podOf()]), 'OutOfpods');
  assert.equal(reason(podOf({ nodeSelector: { disk: 'hdd' } })), 'NodeAffinity');
  const port = podOf({ containers: [{ name: 'a', ports: [{ containerPort: 80, hostPort: 80 }] }] });
  assert.equal(reason(port, [port]), 'NodePorts');
  assert.equal(
    reason(podOf({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } })),
    'SysctlForbidden',
  );
  const { message } = admit(withResources({ cpu: '3' }), [], node)!;
  assert.equal(
    message,
    "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000",
  );
});

test('a resize fits, waits, or never will', () => {
  const judge = (cpu: string) => {
    const verdict = judgeResize(withResources({ cpu }), { cpu: '4', memory: '1Gi' }, [{ cpu: '2' }]);
    return verdict.fits ? 'fits' : verdict.reason;
  };
  assert.deepEqual(['2', '3', '5'].map(judge), ['fits', 'Deferred', 'Infeasible']);
});

test('root is refused where it was ruled out', () => {
  const securityContext = { runAsNonRoot: true };
  const pod = podOf({ containers: [{ name: 'a', securityContext }] });
  const check = (image: { uid?: number; username?: string }) => () =>
    checkNonRoot(pod, pod.spec!.containers[0]!, image);
  assert.throws(check({ uid: 0 }), /image will run as root/);
  assert.throws(check({ username: 'www' }), /non-numeric user \(www\)/);
  assert.doesNotThrow(check({ uid: 1 }));
});

test('subPath expressions', () => {
  assert.equal(subPathOf({ subPathExpr: '$(A)/x' }, { A: 'a' }), 'a/x');
  assert.throws(() => subPathOf({ subPathExpr: '$(B)' }, {}), /missing value for B/);
  assert.throws(() => subPathOf({ subPathExpr: '$(A)' }, { A: '/abs' }), /must not be an absolute path/);
  assert.throws(() => subPathOf({ subPath: 'a/../../b' }, {}), /must not contain/);
});

test('of each container the current one and the one before are kept', () => {
  const containers = [3, 2, 1, 0].map(
    (n) =>
      ({
        id: `a${n}`,
        name: 'a',
        state: n === 3 ? 'running' : 'exited',
        sandboxId: `s${n > 0 ? 1 : 0}`,
      }) as ContainerState,
  );
  const sandbox = (id: string, ready: boolean) => ({
    id,
    attempt: 0,
    ready,
    createdAtMs: 0,
    hostNetwork: false,
    ips: [],
    hasNetwork: true,
  });
  const surplus = surplusContainers({
    ...emptyRuntime('u'),
    containers,
    sandboxes: [sandbox('s1', true), sandbox('s0', false)],
  });
  assert.deepEqual(surplus, { containers: ['a1', 'a0'], sandboxes: ['s0'] });
});
