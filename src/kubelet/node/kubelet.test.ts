// The kubelet on a real containerd, with a network, volumes and cgroups of its own. Leaves nothing behind.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { busyboxImage } from '../../../test/images/images.ts';
import { startRegistry } from '../../../test/images/registry.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { events } from '../../api/core/event.ts';
import { persistentVolumes } from '../../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../../api/core/persistent-volume-claim.ts';
import { pods } from '../../api/core/pod.ts';
import { secrets } from '../../api/core/secret.ts';
import type { Container, ContainerStatus, Pod } from '../../api/core/v1.gen.ts';
import { systemClock, systemRandom } from '../../cluster/node/platform.ts';
import { setUpBridgeNetwork, tearDownBridgeNetwork } from '../../cni/node/bridge-network.ts';
import type { ContainerRuntime } from '../../cri/cri.ts';
import { type Containerd, startContainerd } from '../../cri/node/containerd.ts';
import { connectRuntime } from '../../cri/node/containerd-client.ts';
import { installPackages, missingPackages } from '../../cri/node/install.ts';
import { createLog, silentLog } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { isNotFound } from '../../machinery/status.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { type Kubelet, startKubelet } from '../kubelet.ts';
import { linuxHost } from './host.ts';
import { containerdImageMounts } from './image-mounts.ts';
import { mountsBelow } from './mounts.ts';
import { removeRemains } from './remove-remains.ts';

const log = process.env.LOG
  ? createLog((level, message, fields) => console.log(level, message, fields))
  : silentLog;
const namespace = 'default';
const cgroupRoot = `/wherry-kubelet-${process.pid}`;
const image = 'wherry.test/busybox:1';
let directory: string;
let plane: ControlPlane;
let containerd: Containerd;
let runtime: ContainerRuntime & AsyncDisposable;
let kubelet: Kubelet;
let network: Parameters<typeof setUpBridgeNetwork>[0];

async function start(): Promise<Kubelet> {
  const host = await linuxHost({
    clock: systemClock,
    dataDir: join(directory, 'kubelet'),
    runDir: join(directory, 'run', 'kubelet'),
    logDir: join(directory, 'logs'),
    cgroupRoot,
    imageMounts: containerdImageMounts(containerd),
  });
  const shared = {
    client: plane.client,
    informers: plane.informers,
    clock: systemClock,
    random: systemRandom,
    log,
  };
  const node = {
    nodeName: 'node1',
    nodeIP: '127.0.0.1',
    podCIDR: network.podCIDR,
    clusterDNS: '10.96.0.10',
    cgroupRoot,
  };
  return startKubelet({ ...shared, ...node, trace: plane.trace, runtime, host });
}

before(async () => {
  await installPackages(missingPackages(), { log });
  directory = await mkdtemp(join(tmpdir(), 'wherry-kubelet-'));
  const number = process.pid % 200;
  network = {
    ...{
      name: 'kubelet-test',
      bridge: `wb-k${process.pid}`,
      podCIDR: `10.214.${number}.0/24`,
      clusterCIDR: '10.214.0.0/16',
    },
    ...{ confDir: join(directory, 'cni'), ipamDir: join(directory, 'run', 'ipam') },
  };
  await setUpBridgeNetwork(network);
  const places = {
    dataDir: join(directory, 'data'),
    runDir: join(directory, 'run'),
    cniConfDir: network.confDir,
  };
  [containerd, plane] = await Promise.all([
    startContainerd({ ...places, log: silentLog, clock: systemClock }),
    startControlPlane(),
  ]);
  runtime = connectRuntime(containerd.socket, { log: silentLog });
  await containerd.loadImage((await busyboxImage(image)).tarPath);
  await plane
    .client(configMaps)
    .create({ metadata: { name: 'kube-root-ca.crt', namespace }, data: { 'ca.crt': 'the ca' } });
  kubelet = await start();
  await kubelet.whenReady();
});

after(async () => {
  await kubelet?.stop();
  await containerd?.stop({ containers: true });
  await runtime?.[Symbol.asyncDispose]();
  await plane?.stop();
  await tearDownBridgeNetwork(network);
  const places = { dataDir: join(directory, 'kubelet'), runDir: join(directory, 'run', 'kubelet') };
  await removeRemains({ clock: systemClock, ...places, cgroupRoot });
  assert.deepEqual(await mountsBelow(directory), [], 'mounts left');
  for (const hierarchy of ['', ...(await readdir('/sys/fs/cgroup'))]) {
    const path = join('/sys/fs/cgroup', hierarchy, cgroupRoot);
    if (existsSync(path)) await rmdir(path); // fails when a cgroup is left in it
  }
  await rm(directory, { recursive: true });
});

const shell = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image,
  imagePullPolicy: 'Never',
  command: ['sh', '-c', `trap 'exit 0' TERM; ${script}`],
  ...more,
});
const sleepOn = 'while true; do sleep 0.1; done';
const podOf = (
  name: string,
  spec: Partial<NonNullable<Pod['spec']>>,
  metadata: Pod['metadata'] = {},
): Pod => ({
  metadata: { name, namespace, ...metadata },
  spec: { nodeName: 'node1', containers: [], terminationGracePeriodSeconds: 5, ...spec },
});
const create = (pod: Pod) => plane.client(pods).create(pod);
const eventually = async <T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  ms = 20_000,
): Promise<T> => {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) assert.fail(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};
const until = async (name: string, is: (pod: Pod) => unknown): Promise<Pod> => {
  let last: Pod | undefined;
  return eventually(name, async () => {
    last = await plane.client(pods).get(name, { namespace });
    return is(last) ? last : undefined;
  }).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last?.status, null, 1)}`);
  });
};
const isReady = ({ status }: Pod) =>
  status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
const main = ({ status }: Pod) =>
  status?.containerStatuses?.find(({ name }) => name === 'main') as ContainerStatus;
const remove = async (name: string): Promise<void> => {
  await plane.client(pods).delete(name, { namespace });
  await eventually(`${name} gone`, () =>
    plane
      .client(pods)
      .get(name, { namespace })
      .then(() => false, isNotFound),
  );
};
const noSandbox = (name: string) =>
  eventually(
    `no sandbox of ${name}`,
    async () => !(await runtime.listPodSandbox({})).items.some(({ metadata }) => metadata?.name === name),
  );
const logOf = async (name: string, options = {}): Promise<string> => {
  let text = '';
  for await (const chunk of await kubelet.api.containerLogs(namespace, name, 'main', options))
    text += new TextDecoder().decode(chunk);
  return text;
};
const run = async (name: string, ...command: string[]): Promise<string> => {
  const { output, exitCode } = await kubelet.api.run(namespace, name, 'main', command);
  const text = new TextDecoder().decode(output);
  assert.equal(exitCode, 0, text);
  return text;
};

test('a pod has its network, names, environment and limits', async () => {
  const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '500m', memory: '64Mi' } };
  const env = [
    { name: 'A', value: 'a' },
    { name: 'B', value: '$(A)-b-$(NONE)' },
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
  ];
  const script = `echo "$A $B $POD_IP $MEMORY"; hostname; cat /etc/hosts; cat /etc/resolv.conf; ${sleepOn}`;
  await create(
    podOf('basic', {
      hostname: 'boat',
      subdomain: 'harbour',
      containers: [shell(script, { env, resources })],
    }),
  );
  const pod = await until('basic', isReady);
  const ip = pod.status!.podIP!;
  assert.match(ip, /^10\.214\./);
  assert.match(main(pod).imageID, /sha256:/);
  assert.match(main(pod).image, /busybox/);
  assert.equal(pod.status?.qosClass, 'Burstable');
  const text = await logOf('basic');
  assert.ok(text.startsWith(`a a-b-$(NONE) ${ip} 64\nboat\n# Kubernetes-managed hosts file.\n`), text);
  assert.ok(text.includes(`${ip}\tboat.harbour.default.svc.cluster.local\tboat\n`), text);
  assert.match(text, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
  assert.match(text, /nameserver 10\.96\.0\.10/);
  assert.match(text, /options ndots:5/);
  const limit =
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
  assert.equal(await run('basic', 'sh', '-c', limit), `${64 * 2 ** 20}\n`);
  assert.equal(await logOf('basic', { tailLines: 1 }), 'options ndots:5\n');
  await remove('basic');
  await noSandbox('basic');
});

test('volumes of every kind, kept up to date', async () => {
  await plane
    .client(configMaps)
    .create({ metadata: { name: 'conf', namespace }, data: { key: 'one', other: 'x' } });
  await plane
    .client(secrets)
    .create({ metadata: { name: 'safe', namespace }, data: { password: btoa('s3cret') } });
  const volumes = [
    {
      name: 'conf',
      configMap: {
        name: 'conf',
        items: [
          { key: 'key', path: 'deep/er', mode: 0o400 },
          { key: 'other', path: 'other' },
        ],
      },
    },
    { name: 'safe', secret: { secretName: 'safe', defaultMode: 0o440 } },
    { name: 'mine', emptyDir: {} },
    { name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
    { name: 'node', hostPath: { path: join(directory, 'shared'), type: 'DirectoryOrCreate' } },
    {
      name: 'self',
      downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
    },
  ];
  const volumeMounts = [
    { name: 'conf', mountPath: '/conf' },
    { name: 'safe', mountPath: '/safe' },
    { name: 'mine', mountPath: '/mine' },
    { name: 'mine', mountPath: '/sub', subPath: 'a/b' },
    { name: 'conf', mountPath: '/one-file', subPath: 'other' },
    { name: 'mine', mountPath: '/named', subPathExpr: 'of-$(NAME)' },
    { name: 'fast', mountPath: '/fast' },
    { name: 'node', mountPath: '/node' },
    { name: 'self', mountPath: '/self' },
  ];
  const env = [{ name: 'NAME', value: 'volumes' }];
  const securityContext = { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000 };
  await create(
    podOf(
      'volumes',
      {
        securityContext,
        volumes,
        containers: [shell(`echo hi > /mine/file; ${sleepOn}`, { env, volumeMounts })],
      },
      { labels: { app: 'one' } },
    ),
  );
  await until('volumes', isReady);
  const cat = (path: string) => run('volumes', 'cat', path);
  assert.equal(await run('volumes', 'id'), 'uid=1000 gid=3000 groups=2000,3000\n');
  assert.equal(await cat('/safe/password'), 's3cret');
  assert.equal(await cat('/one-file'), 'x');
  assert.equal(await cat('/self/labels'), 'app="one"\n');
  const token = '/var/run/secrets/kubernetes.io/serviceaccount';
  assert.equal(await cat(`${token}/ca.crt`), 'the ca');
  assert.equal((await cat(`${token}/token`)).split('.').length, 3);
  assert.equal(await run('volumes', 'stat', '-c', '%a %g', '/mine'), '2777 2000\n');
  assert.equal(await run('volumes', 'stat', '-Lc', '%a %g', '/conf/deep/er'), '440 2000\n');
  assert.equal(await run('volumes', 'stat', '-Lc', '%a %g', '/safe/password'), '440 2000\n');
  assert.match(await run('volumes', 'mount'), /tmpfs on \/fast type tmpfs .*size=8192k/);
  await run('volumes', 'sh', '-c', 'echo x > /sub/y; echo x > /named/z; echo x > /fast/f');
  assert.equal(await cat('/mine/a/b/y'), 'x\n');
  assert.equal(await cat('/mine/of-volumes/z'), 'x\n');
  await plane.client(configMaps).patch('conf', { data: { key: 'two' } }, { namespace, type: 'merge' });
  await plane
    .client(pods)
    .patch('volumes', { metadata: { labels: { app: 'two' } } }, { namespace, type: 'merge' });
  await eventually('the new value', async () => (await cat('/conf/deep/er')) === 'two');
  await eventually('the new label', async () => (await cat('/self/labels')) === 'app="two"\n');
  await remove('volumes');
  await eventually(
    'its directory gone',
    async () => (await readdir(join(directory, 'kubelet', 'pods'))).length === 0,
  );
});

test('the files of an image as a volume', async () => {
  const volumes = [{ name: 'tools', image: { reference: image, pullPolicy: 'Never' } }];
  const volumeMounts = [
    { name: 'tools', mountPath: '/tools' },
    { name: 'tools', mountPath: '/only', subPath: 'bin' },
  ];
  await create(podOf('image', { volumes, containers: [shell(sleepOn, { volumeMounts })] }));
  await until('image', isReady);
  assert.equal(await run('image', '/tools/bin/busybox', 'echo', 'hello'), 'hello\n');
  assert.equal(await run('image', '/only/busybox', 'echo', 'hello'), 'hello\n');
  await assert.rejects(run('image', 'touch', '/tools/x'), /Read-only file system/);
  await remove('image');
});

test('a volume that leads out of itself is refused', async () => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  const mount = (path: string, subPath?: string) => [
    { name: 'v', mountPath: path, ...(subPath ? { subPath } : {}) },
  ];
  const inits = [shell('ln -s /etc /v/out', { name: 'linker', volumeMounts: mount('/v') })];
  const containers = [shell(sleepOn, { volumeMounts: mount('/x', 'out/passwd') })];
  await create(podOf('escape', { volumes, initContainers: inits, containers }));
  const pod = await until('escape', (p) => main(p)?.state?.waiting?.reason === 'CreateContainerConfigError');
  assert.match(main(pod).state!.waiting!.message!, /failed to prepare subPath/);
  await remove('escape');
});

test('last words: from the file, or from the end of the log', async () => {
  const failing = (name: string, script: string, terminationMessagePolicy: string) =>
    create(
      podOf(name, { restartPolicy: 'Never', containers: [shell(script, { terminationMessagePolicy })] }),
    );
  await failing('words-file', 'echo -n DONE > /dev/termination-log', 'File');
  await failing('words-log', 'echo OH NO; exit 3', 'FallbackToLogsOnError');
  const file = await until('words-file', ({ status }) => status?.phase === 'Succeeded');
  assert.equal(main(file).state?.terminated?.message, 'DONE');
  const fromLog = await until('words-log', ({ status }) => status?.phase === 'Failed');
  const { message, exitCode, reason } = main(fromLog).state!.terminated!;
  assert.deepEqual({ message, exitCode, reason }, { message: 'OH NO\n', exitCode: 3, reason: 'Error' });
  // Logs of a pod that has ended can be read.
  assert.equal(await logOf('words-log'), 'OH NO\n');
  await Promise.all([remove('words-file'), remove('words-log')]);
});

test('probes: readiness over HTTP and TCP, a failed liveness probe restarts', async () => {
  const server = 'mkdir /w; echo ok > /w/healthz; httpd -p 8080 -h /w; touch /alive; ' + sleepOn;
  const ports = [{ name: 'web', containerPort: 8080 }];
  const readinessProbe = { httpGet: { path: '/healthz', port: 'web' }, periodSeconds: 1 };
  const startupProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 10 };
  const livenessProbe = { exec: { command: ['cat', '/alive'] }, periodSeconds: 1, failureThreshold: 1 };
  const probed = shell(server, { ports, readinessProbe, startupProbe, livenessProbe });
  await create(podOf('probes', { containers: [probed] }));
  await until('probes', isReady);
  await run('probes', 'mv', '/w/healthz', '/w/away');
  const pod = await until('probes', (p) => !isReady(p));
  assert.equal(main(pod).started, true);
  await run('probes', 'mv', '/w/away', '/w/healthz');
  await until('probes', isReady);
  await run('probes', 'rm', '/alive');
  const restarted = await until('probes', (p) => main(p).restartCount === 1 && isReady(p));
  assert.ok(main(restarted).lastState?.terminated);
  const { items } = await plane.client(events).list({ namespace });
  const told = items
    .filter(({ involvedObject }) => involvedObject.name === 'probes')
    .map(({ message }) => message);
  for (const text of [
    'Container main failed liveness probe, will be restarted',
    'Readiness probe failed: HTTP probe failed with statuscode: 404',
  ])
    assert.ok(told.includes(text), `${text} in ${told.join('\n')}`);
  await remove('probes');
});

test('hooks run after the start and before the stop', async () => {
  const volumes = [{ name: 'v', hostPath: { path: join(directory, 'hooks'), type: 'DirectoryOrCreate' } }];
  const volumeMounts = [{ name: 'v', mountPath: '/v' }];
  const write = (name: string) => ({ exec: { command: ['sh', '-c', `echo ${name} >> /v/log`] } });
  const lifecycle = { postStart: write('started'), preStop: write('stopping') };
  await create(podOf('hooks', { volumes, containers: [shell(sleepOn, { lifecycle, volumeMounts })] }));
  await until('hooks', isReady);
  await remove('hooks');
  assert.equal((await runCommand('cat', [join(directory, 'hooks', 'log')])).stdout, 'started\nstopping\n');
});

test('a sidecar ends after those that it serves', async () => {
  const volumes = [{ name: 'v', hostPath: { path: join(directory, 'order'), type: 'DirectoryOrCreate' } }];
  const volumeMounts = [{ name: 'v', mountPath: '/v' }];
  const leaving = (name: string, pause: number) => ({
    ...shell('', { name, volumeMounts }),
    command: ['sh', '-c', `trap 'sleep ${pause}; echo ${name} >> /v/log; exit 0' TERM; ${sleepOn}`],
  });
  const initContainers = [
    { ...leaving('first', 0), restartPolicy: 'Always' },
    { ...leaving('second', 0), restartPolicy: 'Always' },
  ];
  await create(podOf('order', { volumes, initContainers, containers: [leaving('main', 0.5)] }));
  await until('order', isReady);
  await remove('order');
  assert.equal((await runCommand('cat', [join(directory, 'order', 'log')])).stdout, 'main\nsecond\nfirst\n');
});

test('an ephemeral container sees the processes of its target', async () => {
  await create(podOf('ephemeral', { containers: [shell(sleepOn)] }));
  await until('ephemeral', isReady);
  const debug = {
    ...shell(`ps > /proc/1/root/tmp/seen 2>/dev/null || ps; ${sleepOn}`, { name: 'debug' }),
    targetContainerName: 'main',
  };
  await plane
    .client(pods)
    .patch(
      'ephemeral',
      { spec: { ephemeralContainers: [debug] } },
      { namespace, type: 'strategic', subresource: 'ephemeralcontainers' },
    );
  await until('ephemeral', ({ status }) => status?.ephemeralContainerStatuses?.[0]?.state?.running);
  const { output } = await kubelet.api.run(namespace, 'ephemeral', 'debug', ['ps']);
  assert.match(new TextDecoder().decode(output), /trap 'exit 0' TERM; while true/);
  await remove('ephemeral');
});

test('time is up: the pod is stopped and has failed', async () => {
  await create(podOf('deadline', { activeDeadlineSeconds: 1, containers: [shell(sleepOn)] }));
  const pod = await until(
    'deadline',
    ({ status }) => status?.phase === 'Failed' && status.containerStatuses?.[0]?.state?.terminated,
  );
  assert.equal(pod.status?.reason, 'DeadlineExceeded');
  await remove('deadline');
});

test('a claim backed by a local volume, given to the group', async () => {
  const path = join(directory, 'disk');
  await mkdir(path);
  const persistent = { accessModes: ['ReadWriteOnce'], storageClassName: 'local' };
  const claim = await plane.client(persistentVolumeClaims).create({
    metadata: { name: 'claim', namespace },
    spec: { ...persistent, volumeName: 'disk', resources: { requests: { storage: '1Gi' } } },
  });
  const claimRef = {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    name: 'claim',
    namespace,
    uid: claim.metadata.uid!,
  };
  const terms = [
    { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node1'] }] },
  ];
  await plane.client(persistentVolumes).create({
    metadata: { name: 'disk' },
    spec: {
      ...persistent,
      capacity: { storage: '1Gi' },
      local: { path },
      claimRef,
      nodeAffinity: { required: { nodeSelectorTerms: terms } },
    },
  });
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'claim' } }];
  const script = `echo kept > /data/file; ${sleepOn}`;
  const securityContext = { fsGroup: 2000, runAsUser: 1000 };
  await create(
    podOf('claims', {
      securityContext,
      volumes,
      containers: [shell(script, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
    }),
  );
  await eventually('an event that it is not bound', async () =>
    (await plane.client(events).list({ namespace })).items.some(({ message }) =>
      message?.includes('PVC default/claim is not bound'),
    ),
  );
  await plane
    .client(persistentVolumeClaims)
    .patch('claim', { status: { phase: 'Bound' } }, { namespace, type: 'merge', subresource: 'status' });
  await until('claims', isReady);
  assert.equal((await run('claims', 'stat', '-c', '%g', '/data/file')).trim(), '2000');
  await remove('claims');
  assert.equal((await runCommand('cat', [join(path, 'file')])).stdout, 'kept\n');
});

test('an image is pulled with the credentials of a pull secret, and not without', async () => {
  const credentials = { username: 'boatman', password: 'oar' };
  const { tarPath } = await busyboxImage(image);
  const registry = await startRegistry([{ name: 'private:1', tarPath }], { credentials });
  try {
    const auths = { [registry.host]: { auth: btoa('boatman:oar') } };
    const data = { '.dockerconfigjson': btoa(JSON.stringify({ auths })) };
    await plane
      .client(secrets)
      .create({ metadata: { name: 'pull', namespace }, type: 'kubernetes.io/dockerconfigjson', data });
    const containers = [shell(sleepOn, { image: `${registry.host}/private:1`, imagePullPolicy: 'Always' })];
    await create(podOf('refused', { containers }));
    const refused = await until('refused', (p) => main(p)?.state?.waiting?.reason === 'ErrImagePull');
    assert.match(
      main(refused).state!.waiting!.message!,
      /^rpc error: code = \w+ desc = failed to pull and unpack image/,
    );
    await create(podOf('pulled', { imagePullSecrets: [{ name: 'pull' }], containers }));
    await until('pulled', isReady);
    await Promise.all([remove('pulled'), remove('refused')]);
  } finally {
    await registry.close();
  }
});

test('a running pod is resized in place', async () => {
  const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '200m', memory: '64Mi' } };
  await create(podOf('resize', { containers: [shell(sleepOn, { resources })] }));
  const before = await until('resize', isReady);
  const more = { requests: { cpu: '150m', memory: '48Mi' }, limits: { cpu: '300m', memory: '96Mi' } };
  const patch = { spec: { containers: [{ name: 'main', resources: more }] } };
  await plane.client(pods).patch('resize', patch, { namespace, type: 'strategic', subresource: 'resize' });
  const pod = await until(
    'resize',
    (p) => main(p).resources?.limits?.memory === '96Mi' && main(p).allocatedResources?.cpu === '150m',
  );
  assert.equal(main(pod).containerID, main(before).containerID);
  assert.deepEqual(main(pod).resources, more);
  const limit =
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
  assert.equal(await run('resize', 'sh', '-c', limit), `${96 * 2 ** 20}\n`);
  await remove('resize');
});

test('another kubelet takes the containers over, and removes pods that went meanwhile', async () => {
  await create(podOf('stays', { containers: [shell(sleepOn)] }));
  await create(podOf('goes', { containers: [shell(sleepOn)] }));
  const was = await until('stays', isReady);
  await until('goes', isReady);
  await kubelet.stop();
  await plane.client(pods).delete('goes', { namespace, gracePeriodSeconds: 0 });
  kubelet = await start();
  await noSandbox('goes');
  const is = await until('stays', isReady);
  assert.equal(main(is).containerID, main(was).containerID);
  assert.equal(main(is).restartCount, 0);
  // Its sandbox dies: everything starts anew.
  const { items } = await runtime.listPodSandbox({});
  const sandbox = items.find(({ metadata }) => metadata?.name === 'stays')!;
  await runtime.stopPodSandbox({ podSandboxId: sandbox.id });
  const anew = await until('stays', (p) => isReady(p) && main(p).containerID !== main(was).containerID);
  assert.equal(main(anew).restartCount, 1);
  await remove('stays');
});

test('what the node uses is known', async () => {
  await create(
    podOf('busy', {
      containers: [shell('while true; do :; done', { resources: { limits: { cpu: '100m' } } })],
    }),
  );
  await until('busy', isReady);
  const stats = await kubelet.api.stats();
  assert.ok(stats.node.memory.workingSetBytes > 0 && stats.node.fs.capacityBytes! > 0);
  const busy = await eventually('numbers', async () => {
    const found = (await kubelet.api.stats()).pods.find(({ podRef }) => podRef.name === 'busy');
    return found?.cpu?.usageNanoCores && found.memory?.workingSetBytes ? found : undefined;
  });
  assert.equal(busy.containers[0]?.name, 'main');
  assert.match(
    await kubelet.api.metrics(),
    /^container_memory_working_set_bytes\{container="main",namespace="default",pod="busy"\} \d+/m,
  );
  await plane.client(pods).delete('busy', { namespace, gracePeriodSeconds: 0 });
  await noSandbox('busy');
});
