import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bridgeName } from '../../cni/bridge.ts';
import { setUpBridgeNetwork } from '../../cni/node/bridge-network.ts';
import type { ContainerRuntime } from '../../cri/cri.ts';
import { type Containerd, startContainerd } from '../../cri/node/containerd.ts';
import { connectRuntime } from '../../cri/node/containerd-client.ts';
import { cniBinDir, installPackages, missingPackages, requirements } from '../../cri/node/install.ts';
import { preflight, tuneKernel } from '../../cri/node/preflight.ts';
import type { Log } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { addressIn, type ClusterConfig, nodePodCIDR } from '../config.ts';
import type { Progress } from '../start.ts';
import { systemClock } from './platform.ts';

/** Directories of a real node, below the cluster's. */
export const nodePaths = (config: Pick<ClusterConfig, 'dataDir' | 'runDir' | 'name'>) => ({
  containerd: join(config.dataDir, 'containerd'),
  run: join(config.runDir, 'containerd'),
  cniConf: join(config.dataDir, 'cni'),
  ipam: join(config.runDir, 'ipam'),
  kubelet: join(config.dataDir, 'kubelet'),
  kubeletRun: join(config.runDir, 'kubelet'),
  podLogs: join(config.dataDir, 'pod-logs'),
  bridge: bridgeName(config.name),
});

export interface NodeNetworkFacts {
  podCIDR: string;
  /** The node's own address: that of its bridge. */
  nodeIP: string;
  bridge: string;
}

/** Can this machine run containers? Installs what is missing when it may. Returns why not, or undefined. */
export async function prepareMachine(
  install: boolean,
  log: Log,
  progress: Progress,
): Promise<string | undefined> {
  if (process.platform !== 'linux') return `this is ${process.platform}, and containers need Linux`;
  if (process.getuid?.() !== 0) return 'not root';
  const missing = missingPackages();
  if (missing.length) {
    const why = missing
      .map((name) => `${name} (${requirements.find((r) => r.package === name)!.programs.join(', ')})`)
      .join(', ');
    if (!install)
      return `missing from the distribution: ${why}; run "apt-get install ${missing.join(' ')}", or leave --no-install out`;
    progress(`installing from the distribution: ${why}`);
    try {
      await installPackages(missing, { log });
    } catch (error) {
      return (error as Error).message;
    }
  }
  const checks = await preflight();
  const failed = checks.find((check) => !check.ok && check.required);
  if (failed) return `${failed.what}: ${failed.hint}`;
  for (const check of checks.filter((c) => !c.ok)) log.warn(check.what, { hint: check.hint });
  for (const refused of await tuneKernel()) log.warn('a kernel setting stays as it is', { ...refused });
  return undefined;
}

/** The bridge of the pod network with the node's address on it, so that servers can listen there before any pod is. */
export async function raiseBridge(config: ClusterConfig, log: Log): Promise<NodeNetworkFacts> {
  const { bridge } = nodePaths(config);
  const podCIDR = nodePodCIDR(config.podCIDR, 0);
  const nodeIP = addressIn(podCIDR, 1);
  await runCommand('ip', ['link', 'add', bridge, 'type', 'bridge'], { accept: [2] });
  const { stdout } = await runCommand('ip', ['-j', 'addr', 'show', 'dev', bridge]);
  const has = (JSON.parse(stdout) as { addr_info?: { local?: string }[] }[])
    .flatMap((l) => l.addr_info ?? [])
    .some((a) => a.local === nodeIP);
  if (!has) await runCommand('ip', ['addr', 'add', `${nodeIP}/24`, 'dev', bridge], { accept: [2] });
  await runCommand('ip', ['link', 'set', bridge, 'up']);
  log.info('pod network', { bridge, podCIDR, nodeIP });
  return { podCIDR, nodeIP, bridge };
}

export interface RealRuntime {
  containerd: Containerd;
  runtime: ContainerRuntime & AsyncDisposable;
}

/** containerd with its network; taken over where it still runs. */
export async function startRuntime(
  config: ClusterConfig,
  network: NodeNetworkFacts,
  log: Log,
): Promise<RealRuntime> {
  const paths = nodePaths(config);
  mkdirSync(paths.run, { recursive: true });
  await setUpBridgeNetwork({
    name: `wherry-${config.name}`,
    podCIDR: network.podCIDR,
    bridge: network.bridge,
    ipamDir: paths.ipam,
    confDir: paths.cniConf,
    clusterCIDR: config.podCIDR,
  });
  const containerd = await startContainerd({
    dataDir: paths.containerd,
    runDir: paths.run,
    log: log.child({ component: 'containerd' }),
    clock: systemClock,
    cniConfDir: paths.cniConf,
    cniBinDir: cniBinDir(),
  });
  return { containerd, runtime: connectRuntime(containerd.socket, { log }) };
}

/** Under which cgroup the pods of a cluster are: `/kubepods` for the one called default, `/wherry-NAME/kubepods` for others. */
export const cgroupRootOf = (name: string): string => (name === 'default' ? '' : `/wherry-${name}`);
