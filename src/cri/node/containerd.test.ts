// The contract suite and the ways of dying, on a real containerd with its own root, state, socket and bridge.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxImage } from '../../../test/images/images.ts';
import { startRegistry } from '../../../test/images/registry.ts';
import { setUpBridgeNetwork, tearDownBridgeNetwork } from '../../cni/node/bridge-network.ts';
import type { Clock } from '../../machinery/clock.ts';
import { silentLog as log } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { type ContainerRuntime, ContainerState, type CriError, PodSandboxState, Protocol } from '../cri.ts';
import { type RuntimeHarness, runtimeCases } from '../suite.ts';
import { type Containerd, type ContainerdOptions, startContainerd } from './containerd.ts';
import { connectRuntime } from './containerd-client.ts';
import { containerdPlaces, findContainerd, stopContainerd } from './containerd-stop.ts';
import { installPackages, missingPackages } from './install.ts';
import { dockerArchive, hostArchitecture } from './pause-image.ts';
import { preflight, tuneKernel } from './preflight.ts';
import { findProcesses, isAlive, mountsBelow } from './process.ts';
import { writeTar } from './tar.ts';

const clock: Clock = {
  now: () => Date.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const cgroupParent = `/wherry-cri-${process.pid}`;
let directory: string;
let options: ContainerdOptions;
let containerd: Containerd;
let runtime: ContainerRuntime & AsyncDisposable;
let harness: RuntimeHarness;
let network: Parameters<typeof setUpBridgeNetwork>[0];

before(async () => {
  await installPackages(missingPackages(), { log });
  const failed = (await preflight()).filter(({ ok, required }) => required && !ok);
  assert.deepEqual(failed, []);
  assert.deepEqual(await tuneKernel(), []);
  directory = await mkdtemp(join(tmpdir(), 'wherry-cri-'));
  const number = process.pid % 200;
  network = {
    ...{ name: 'cri-test', bridge: `wb-t${process.pid}`, podCIDR: `10.213.${number}.0/24` },
    ...{
      clusterCIDR: '10.213.0.0/16',
      confDir: join(directory, 'cni'),
      ipamDir: join(directory, 'run', 'ipam'),
    },
  };
  const places = {
    dataDir: join(directory, 'data'),
    runDir: join(directory, 'run'),
    cniConfDir: network.confDir,
  };
  options = { ...places, log, clock };
  await setUpBridgeNetwork(network);
  containerd = await startContainerd(options);
  runtime = connectRuntime(containerd.socket, { log });
  const busybox = await busyboxImage();
  await containerd.loadImage(busybox.tarPath);
  const logDirectory = join(directory, 'logs');
  await mkdir(logDirectory);
  harness = {
    ...{ runtime, image: busybox.name, logDirectory, cgroupParent, addressPrefix: `10.213.${number}.`, pass },
    readLog: (path) => readFile(path, 'utf8'),
    async provideImage(name) {
      await containerd.loadImage(await archive(name));
    },
  };
});

/** Writes an archive with a small image of that name. */
async function archive(name: string, file = 'image.tar'): Promise<string> {
  const layer = writeTar([{ name: 'about', content: Buffer.from(name) }]);
  const bytes = dockerArchive({ name, architecture: hostArchitecture(), layer, config: {} });
  const path = join(directory, file);
  await writeFile(path, file.endsWith('.gz') ? gzipSync(bytes) : bytes);
  return path;
}

after(async () => {
  await containerd.stop({ containers: true });
  await stopContainerd(killedPlaces(), { containers: true });
  await runtime[Symbol.asyncDispose]();
  await tearDownBridgeNetwork(network);
  const ours = await findProcesses((args) => args.some((arg) => arg.includes(directory)));
  assert.deepEqual(ours, [], 'processes left');
  assert.deepEqual(await mountsBelow(directory), [], 'mounts left');
  const links = (await runCommand('ip', ['-br', 'link'])).stdout;
  assert.equal(links.includes(network.bridge), false, 'bridge left');
  assert.equal((await runCommand('iptables-save', [])).stdout.includes(network.bridge), false, 'rules left');
  for (const hierarchy of ['', ...(await readdir('/sys/fs/cgroup'))]) {
    const path = join('/sys/fs/cgroup', hierarchy, cgroupParent);
    if (existsSync(path)) await rmdir(path); // fails when a cgroup is left in it
  }
  await rm(directory, { recursive: true });
});

for (const { name, run } of runtimeCases) test(`containerd: ${name}`, () => run(harness));

async function startPod(name: string, command = ['sleep', '100000']) {
  const config = {
    metadata: { name, uid: name, namespace: 'test' },
    logDirectory: harness.logDirectory,
    linux: { cgroupParent },
  };
  const { podSandboxId } = await runtime.runPodSandbox({ config });
  const container = {
    metadata: { name: 'main' },
    image: { image: harness.image },
    command,
    logPath: `${name}.log`,
  };
  const { containerId } = await runtime.createContainer({
    podSandboxId,
    config: container,
    sandboxConfig: config,
  });
  await runtime.startContainer({ containerId });
  const { ip } = (await runtime.podSandboxStatus({ podSandboxId })).status!.network!;
  const remove = async () => {
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
  };
  const state = async () => (await runtime.containerStatus({ containerId })).status!.state;
  return { config, podSandboxId, containerId, ip, state, remove };
}

test('pods reach one another and the node reaches them', async () => {
  const server = await startPod('server', [
    'sh',
    '-c',
    'mkdir /w; echo here > /w/index.html; httpd -f -p 80 -h /w',
  ]);
  const client = await startPod('client');
  const cmd = [
    'sh',
    '-c',
    `for i in 1 2 3 4 5; do wget -q -O - http://${server.ip}/ && exit; sleep 0.1; done; exit 1`,
  ];
  const { stdout, exitCode } = await runtime.execSync({ containerId: client.containerId, cmd, timeout: 10 });
  assert.deepEqual([Buffer.from(stdout).toString(), exitCode], ['here\n', 0]);
  assert.equal(await (await fetch(`http://${server.ip}/`)).text(), 'here\n');
  await Promise.all([server.remove(), client.remove()]);
});

test('a command that does not exist ends the container with code 128', async () => {
  const pod = await startPod('wrong');
  const config = { metadata: { name: 'wrong' }, image: { image: harness.image }, command: ['/no/such'] };
  const { podSandboxId, config: sandboxConfig } = pod;
  const { containerId } = await runtime.createContainer({ podSandboxId, config, sandboxConfig });
  await assert.rejects(runtime.startContainer({ containerId }), /no such file or directory/);
  const { status } = await runtime.containerStatus({ containerId });
  assert.deepEqual(
    [status!.state, status!.exitCode, status!.reason],
    [ContainerState.CONTAINER_EXITED, 128, 'StartError'],
  );
  await pod.remove();
});

test('streams get a URL on loopback', async () => {
  const pod = await startPod('streams');
  const { containerId, podSandboxId } = pod;
  const urls = [
    await runtime.exec({ containerId, cmd: ['true'], stdout: true }),
    await runtime.attach({ containerId, stdout: true }),
    await runtime.portForward({ podSandboxId, port: [80] }),
  ];
  for (const { url } of urls)
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/(exec|attach|portforward)\/\S+$/);
  await pod.remove();
});

test('pulls from a registry on loopback, with credentials too', async () => {
  const { tarPath } = await busyboxImage();
  const credentials = { username: 'me', password: 'secret' };
  await using open = await startRegistry([{ name: 'tools/busybox:v1', tarPath }]);
  await using closed = await startRegistry([{ name: 'private:v1', tarPath }], { credentials });
  for (const host of [`127.0.0.1:${open.port}`, `localhost:${open.port}`]) {
    const { imageRef } = await runtime.pullImage({ image: { image: `${host}/tools/busybox:v1` } });
    assert.match(imageRef, /^sha256:/);
  }
  const image = { image: `${closed.host}/private:v1` };
  await assert.rejects(runtime.pullImage({ image }), /401/);
  await runtime.pullImage({ image, auth: credentials });
  await assert.rejects(runtime.pullImage({ image: { image: `${open.host}/none:v1` } }), {
    code: 'NOT_FOUND',
  });
});

test('loads archives, completes their names, and says what is none', async () => {
  assert.deepEqual(await containerd.loadImage(await archive('short:v1')), ['docker.io/library/short:v1']);
  assert.deepEqual(await containerd.loadImage(await archive('me/app:v2', 'a.tar.gz')), [
    'docker.io/me/app:v2',
  ]);
  const other = join(directory, 'other.tar');
  await writeFile(other, 'not an archive, though a file of more than one block\n'.repeat(20));
  await assert.rejects(
    containerd.loadImage(other),
    /other.tar is not an image archive: write one with "docker save/,
  );
  await assert.rejects(containerd.loadImage(join(directory, 'none.tar')), /ENOENT/);
});

test('a call can be cancelled', async () => {
  const pod = await startPod('cancel');
  const controller = new AbortController();
  const call = runtime.execSync({ containerId: pod.containerId, cmd: ['sleep', '30'] }, controller.signal);
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(call, (error: CriError) => error.code === 'CANCELLED');
  await pod.remove();
});

test('containers outlive us: the next start takes the running containerd over', async () => {
  const pod = await startPod('outlives');
  const { pid } = containerd;
  await containerd[Symbol.asyncDispose]();
  containerd = await startContainerd(options);
  assert.deepEqual([containerd.adopted, containerd.pid], [true, pid]);
  assert.equal(await pod.state(), ContainerState.CONTAINER_RUNNING);

  // Another configuration: containerd is started anew, containers go on.
  const registries = { 'mirrored.test': { endpoint: 'http://127.0.0.1:1' } };
  await containerd[Symbol.asyncDispose]();
  containerd = await startContainerd({ ...options, registries, sandboxImage: 'wherry.local/pause:other' });
  assert.equal(containerd.adopted, false);
  assert.equal(await isAlive(pid!), false);
  assert.equal(await pod.state(), ContainerState.CONTAINER_RUNNING);
  assert.deepEqual(await readdir(join(options.dataDir, 'containerd', 'registries')), ['mirrored.test']);
  await containerd.stop();
  containerd = await startContainerd(options);
  assert.equal(await pod.state(), ContainerState.CONTAINER_RUNNING);
  await pod.remove();
});

test('containerd is started again when it dies, and containers do not notice', async () => {
  const pod = await startPod('survives');
  const { pid } = containerd;
  process.kill(pid!, 'SIGKILL');
  const deadline = Date.now() + 15_000;
  while (containerd.pid === pid || containerd.pid === undefined) {
    assert.ok(Date.now() < deadline, 'it did not come back');
    await pass(50);
  }
  assert.equal(await pod.state(), ContainerState.CONTAINER_RUNNING);
  const { exitCode } = await runtime.execSync({ containerId: pod.containerId, cmd: ['true'], timeout: 5 });
  assert.equal(exitCode, 0);
  await pod.remove();
});

test('host ports lead to the pod', async () => {
  const hostPort = 20_000 + (process.pid % 10_000);
  const metadata = { name: 'hostport', uid: 'hostport', namespace: 'test' };
  const config = {
    metadata,
    linux: { cgroupParent },
    portMappings: [{ containerPort: 80, hostPort, protocol: Protocol.TCP }],
  };
  const { podSandboxId } = await runtime.runPodSandbox({ config });
  const command = ['sh', '-c', 'mkdir /w; echo mapped > /w/index.html; exec httpd -f -p 80 -h /w'];
  const container = { metadata: { name: 'main' }, image: { image: harness.image }, command };
  const { containerId } = await runtime.createContainer({
    podSandboxId,
    config: container,
    sandboxConfig: config,
  });
  await runtime.startContainer({ containerId });
  const get = () => fetch(`http://127.0.0.1:${hostPort}/`).then((response) => response.text());
  let text: string | undefined;
  for (let tries = 0; tries < 50 && text === undefined; tries++) {
    text = await get().catch(() => pass(50).then(() => undefined));
  }
  assert.equal(text, 'mapped\n');
  await runtime.stopPodSandbox({ podSandboxId });
  await runtime.removePodSandbox({ podSandboxId });
  await assert.rejects(get());
});

const killedPlaces = () => {
  const base = join(directory, 'k');
  return { dataDir: join(base, 'data'), runDir: join(base, 'run'), log, clock };
};

// What a Wherry that is killed leaves: a process of its own starts containerd and a pod, and is killed.
test('containers outlive kill -9, and are ended from the directories alone', async () => {
  const places = killedPlaces();
  const script = `
    import { startContainerd } from ${JSON.stringify(new URL('./containerd.ts', import.meta.url).href)};
    import { connectRuntime } from ${JSON.stringify(new URL('./containerd-client.ts', import.meta.url).href)};
    import { silentLog as log } from ${JSON.stringify(new URL('../../machinery/log.ts', import.meta.url).href)};
    const clock = { now: () => Date.now(), after: (ms, fn) => { const t = setTimeout(fn, ms); return { cancel: () => clearTimeout(t) }; } };
    const { socket, sandboxImage } = await startContainerd({ ...${JSON.stringify({ ...options, ...places, log: undefined, clock: undefined })}, log, clock });
    const runtime = connectRuntime(socket, { log });
    const config = { metadata: { name: 'left', uid: 'left', namespace: 'x' }, linux: { cgroupParent: ${JSON.stringify(cgroupParent)}, securityContext: { namespaceOptions: { network: 2 } } } };
    await runtime.runPodSandbox({ config });
    process.kill(process.pid, 'SIGKILL');`;
  await assert.rejects(runCommand('node', ['--input-type=module', '-e', script]), /killed by SIGKILL/);
  const pid = await findContainerd(places);
  assert.ok(pid !== undefined && (await isAlive(pid)), 'containerd is alive');
  const left = connectRuntime(containerdPlaces(places).socket, { log });
  const { items } = await left.listPodSandbox({});
  assert.equal(items[0]?.state, PodSandboxState.SANDBOX_READY);
  await left[Symbol.asyncDispose]();

  // The harder case: containerd is gone too, so that only the shim holds the pod.
  process.kill(pid, 'SIGKILL');
  while (await isAlive(pid)) await pass(10);
  assert.equal((await findProcesses((args) => args.includes(containerdPlaces(places).socket))).length, 1);
  await stopContainerd(places, { containers: true });
  assert.deepEqual(await findProcesses((args) => args.some((arg) => arg.includes(places.runDir))), []);
  assert.deepEqual(await mountsBelow(join(directory, 'k')), []);
});

test('a run directory too long for a socket is refused in one sentence', async () => {
  const runDir = join(directory, 'x'.repeat(100));
  await assert.rejects(startContainerd({ ...options, runDir }), /too long for a unix socket: choose/);
});
