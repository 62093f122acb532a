// An API server on loopback, a real containerd, and pods made through the CRI alone: what lies between kubectl and a
// container, without a kubelet, a scheduler or controllers.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodes } from '../../src/api/core/node.ts';
import { pods } from '../../src/api/core/pod.ts';
import { services } from '../../src/api/core/service.ts';
import type { Pod } from '../../src/api/core/v1.gen.ts';
import { endpointSlices } from '../../src/api/discovery/endpoint-slice.ts';
import { handle } from '../../src/apiserver/http/handler.ts';
import { builtInPaths } from '../../src/apiserver/http/paths.ts';
import { inProcessTransport } from '../../src/apiserver/in-process.ts';
import { serveHttps } from '../../src/apiserver/node/https-server.ts';
import { createUpgradeHandler, streamConnectors } from '../../src/apiserver/node/streams/index.ts';
import { createApiServer } from '../../src/apiserver/server.ts';
import type { KubeletConnections } from '../../src/apiserver/streams/kubelet-connection.ts';
import type { Client } from '../../src/client/client.ts';
import type { StreamServer } from '../../src/client/streams/node/web-socket.ts';
import { createClient } from '../../src/client/typed.ts';
import { bootstrapCluster } from '../../src/cluster/bootstrap.ts';
import { certificatesIn } from '../../src/cluster/node/certificates.ts';
import { writeKubeconfig } from '../../src/cluster/node/kubeconfig.ts';
import { systemClock, systemRandom, uuid } from '../../src/cluster/node/platform.ts';
import { setUpBridgeNetwork, tearDownBridgeNetwork } from '../../src/cni/node/bridge-network.ts';
import { ContainerState } from '../../src/cri/cri.ts';
import { startContainerd } from '../../src/cri/node/containerd.ts';
import { connectRuntime } from '../../src/cri/node/containerd-client.ts';
import { installPackages, missingPackages } from '../../src/cri/node/install.ts';
import { tuneKernel } from '../../src/cri/node/preflight.ts';
import { memoryStore } from '../../src/etcd/memory.ts';
import { readLog } from '../../src/kubelet/container-logs.ts';
import { logFiles } from '../../src/kubelet/node/log-files.ts';
import { silentLog as log } from '../../src/machinery/log.ts';
import { badRequest, StatusError } from '../../src/machinery/status.ts';
import { busyboxImage } from '../images/images.ts';

/** Another version than the machine's own: KUBECTL=/path npm test. */
export const kubectlProgram = process.env.KUBECTL ?? '/usr/bin/kubectl';

export const nodeName = 'node-1';

/** What a command wrote, and how it ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Bench extends AsyncDisposable {
  client: Client;
  kubeconfig: string;
  /** For our own client; as the administrator. */
  request: StreamServer;
  directory: string;
  /** Runs a real pod and its Pod object; gives the pod's address. */
  startPod(
    name: string,
    containers: Record<string, { command: string[]; tty?: boolean; stdin?: boolean }>,
    extra?: Partial<Pod>,
  ): Promise<string>;
  /** The real kubectl. */
  kubectl(
    args: string[],
    options?: { input?: Buffer | string; env?: Record<string, string>; kubeconfig?: string },
  ): Promise<Ran>;
  /** A kubeconfig for somebody else. */
  kubeconfigFor(name: string): Promise<string>;
}

export function run(
  command: string,
  args: string[],
  options: { input?: Buffer | string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const child = spawn(command, args, { env: { ...process.env, ...options.env }, stdio: 'pipe' });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (b) => out.push(b));
  child.stderr.on('data', (b) => err.push(b));
  child.stdin.on('error', () => {}); // it may end without having read all
  child.stdin.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(out).toString('latin1'), stderr: Buffer.concat(err).toString() });
    });
  });
}

export async function startBench(): Promise<Bench> {
  await installPackages(missingPackages(), { log });
  await tuneKernel();
  const directory = await mkdtemp(join(tmpdir(), 'wherry-streams-'));
  const number = process.pid % 200;
  const network = {
    ...{
      name: 'streams-test',
      bridge: `wb-s${process.pid}`,
      podCIDR: `10.214.${number}.0/24`,
      clusterCIDR: '10.214.0.0/16',
    },
    ...{ confDir: join(directory, 'cni'), ipamDir: join(directory, 'run', 'ipam') },
  };
  await setUpBridgeNetwork(network);
  const cgroupParent = `/wherry-streams-${process.pid}`;
  const containerd = await startContainerd({
    ...{ dataDir: join(directory, 'data'), runDir: join(directory, 'run'), cniConfDir: network.confDir },
    ...{ log, clock: systemClock },
  });
  const runtime = connectRuntime(containerd.socket, { log });
  const image = await busyboxImage();
  await containerd.loadImage(image.tarPath);
  const logDirectory = join(directory, 'logs');
  await mkdir(logDirectory);

  const containerIds = new Map<string, string>();
  const sandboxIds = new Map<string, string>();
  const idOf = (pod: { name: string }, container: string) => {
    const id = containerIds.get(`${pod.name}/${container}`);
    if (!id) throw new StatusError(404, 'NotFound', `container not found ("${container}")`);
    return id;
  };
  const kubelets: KubeletConnections = {
    find: (name) =>
      name !== nodeName
        ? undefined
        : {
            async logs(pod, container, options, signal) {
              const id = containerIds.get(`${pod.name}/${container}`);
              if (!id)
                throw badRequest(
                  `container "${container}" in pod "${pod.name}" is waiting to start: ContainerCreating`,
                );
              const running = async () =>
                (await runtime.containerStatus({ containerId: id })).status?.state ===
                ContainerState.CONTAINER_RUNNING;
              const path = join(logDirectory, `${pod.name}-${container}.log`);
              return readLog(
                logFiles(logDirectory, systemClock),
                { path, running },
                options,
                systemClock.now(),
                signal,
              );
            },
            execUrl: async (pod, container, cmd, options) =>
              runtime.exec({ containerId: idOf(pod, container), cmd, ...options }),
            attachUrl: async (pod, container, options) =>
              runtime.attach({ containerId: idOf(pod, container), ...options }),
            portForwardUrl: async (pod, port) =>
              runtime.portForward({ podSandboxId: sandboxIds.get(pod.name)!, port }),
            proxy: async ({ method, path, query }) => ({
              code: 200,
              headers: { 'content-type': 'text/plain' },
              body: `${method} ${path} ${query}`,
            }),
          },
  };

  const certificates = await certificatesIn(join(directory, 'pki'), systemClock.now());
  const store = memoryStore();
  const server = await createApiServer({
    ...{ store, clock: systemClock, random: systemRandom, uuid, log, tokenKeys: certificates.tokenKeys },
    ...{
      issuer: 'https://kubernetes.default.svc.cluster.local',
      serviceCIDR: '10.96.0.0/16',
      nodePorts: '30000-32767',
    },
  });
  const client = createClient(
    inProcessTransport(server, { name: 'admin', groups: ['system:masters'] }, 'test'),
  );
  await bootstrapCluster(client, { defaultServiceAccounts: true });
  const pair = await certificates.certificate('apiserver', {
    commonName: 'kube-apiserver',
    hosts: ['127.0.0.1'],
  });
  const closing = new AbortController();
  const https = await serveHttps({
    ...{ host: '127.0.0.1', port: 0, cert: pair.cert, key: pair.key, clientCA: certificates.ca.cert },
    handle: (exchange) =>
      handle(server, exchange, {
        paths: builtInPaths,
        connectors: streamConnectors(server, kubelets),
        closing: closing.signal,
      }),
    upgrade: createUpgradeHandler(server, kubelets),
  });
  server.pending.clear();
  const url = `https://127.0.0.1:${https.port}`;
  const ca = certificates.ca.cert;
  const admin = await certificates.certificate('admin', {
    commonName: 'admin',
    organizations: ['system:masters'],
  });
  const kubeconfig = join(directory, 'kubeconfig');
  writeKubeconfig(kubeconfig, { name: 'test', server: url, ca, ...admin });
  await client(nodes).create({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nodeName },
    spec: {},
  } as never);

  return {
    ...{ client, kubeconfig, directory, request: { server: url, tls: { ca, ...admin } } },
    async startPod(name, containers, extra = {}) {
      const config = {
        metadata: { name, uid: name, namespace: 'default' },
        logDirectory,
        linux: { cgroupParent, securityContext: { namespaceOptions: { pid: 1 } } },
      };
      const { podSandboxId } = await runtime.runPodSandbox({ config });
      sandboxIds.set(name, podSandboxId);
      const { ip } = (await runtime.podSandboxStatus({ podSandboxId })).status!.network!;
      for (const [container, { command, tty, stdin }] of Object.entries(containers)) {
        const { containerId } = await runtime.createContainer({
          podSandboxId,
          config: {
            ...{ metadata: { name: container }, image: { image: image.name }, command, tty, stdin },
            ...{ logPath: `${name}-${container}.log`, envs: [{ key: 'PATH', value: '/bin:/usr/bin' }] },
          },
          sandboxConfig: config,
        });
        await runtime.startContainer({ containerId });
        containerIds.set(`${name}/${container}`, containerId);
      }
      const list = Object.entries(containers).map(([container, { command, tty, stdin }]) => ({
        ...{ name: container, image: image.name, command, tty, stdin },
      }));
      await client(pods).create({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', ...extra.metadata } },
        spec: { containers: list, nodeName, ...extra.spec },
      } as Pod);
      const ready = Object.keys(containers).map((container) => ({
        ...{ name: container, ready: true, image: image.name, imageID: image.name, restartCount: 0 },
        state: { running: { startedAt: new Date().toISOString() } },
      }));
      const status = {
        phase: 'Running',
        podIP: ip,
        podIPs: [{ ip }],
        hostIP: '127.0.0.1',
        containerStatuses: ready,
      };
      await client(pods).patch(
        name,
        { status },
        { namespace: 'default', subresource: 'status', type: 'merge' },
      );
      return ip;
    },
    kubectl: (args, { kubeconfig: other, ...options } = {}) =>
      run(kubectlProgram, ['--kubeconfig', other ?? kubeconfig, ...args], options),
    async kubeconfigFor(name) {
      const path = join(directory, `kubeconfig-${name}`);
      writeKubeconfig(path, {
        name,
        server: url,
        ca,
        ...(await certificates.certificate(name, { commonName: name })),
      });
      return path;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await https.close();
      await server[Symbol.asyncDispose]();
      await store.close();
      await containerd.stop({ containers: true });
      await runtime[Symbol.asyncDispose]();
      await tearDownBridgeNetwork(network);
      for (const hierarchy of ['', ...(await readdir('/sys/fs/cgroup'))])
        await rmdir(join('/sys/fs/cgroup', hierarchy, cgroupParent)).catch(() => {});
      await rm(directory, { recursive: true });
    },
  };
}

/** A service in front of one pod, as controllers would have made it. */
export async function serve(
  client: Client,
  name: string,
  pod: string,
  ip: string,
  port: number,
): Promise<void> {
  await client(services).create({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } },
    spec: { selector: { app: name }, ports: [{ name: 'web', port: 80, targetPort: port }] },
  } as never);
  await client(endpointSlices).create({
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    ports: [{ name: 'web', port, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.1.2.3'], conditions: { ready: false } },
      {
        addresses: [ip],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', namespace: 'default', name: pod },
      },
    ],
  } as never);
}
