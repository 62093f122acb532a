import { existsSync, rmSync } from 'node:fs';
import { tearDownBridgeNetwork } from '../../cni/node/bridge-network.ts';
import { stopContainerd } from '../../cri/node/containerd-stop.ts';
import { findProgram } from '../../cri/node/install.ts';
import { mountsBelow } from '../../cri/node/process.ts';
import { removeRemains } from '../../kubelet/node/remove-remains.ts';
import { cleanupProxy } from '../node-services.ts';
import { lineLog, systemClock } from './platform.ts';
import { cgroupRootOf, nodePaths } from './real-node.ts';

/** Takes away what a real node left on the machine: containers, mounts, bridge, rules. Returns what it did. */
export async function removeNode(place: {
  name: string;
  dataDir: string;
  runDir: string;
}): Promise<string[]> {
  const done: string[] = [];
  if (process.getuid?.() !== 0) return done;
  const at = nodePaths(place);
  const log = lineLog((line) => void process.stderr.write(line), 'warn');
  if (existsSync(at.containerd) && findProgram('ctr')) {
    await stopContainerd(
      { dataDir: at.containerd, runDir: at.run, log, clock: systemClock },
      { containers: true },
    );
    done.push('containers and containerd: ended');
  }
  if (findProgram('iptables') && existsSync(at.cniConf)) {
    await cleanupProxy(place.name).catch((error) =>
      done.push(`rules of services stay: ${(error as Error).message}`),
    );
    await tearDownBridgeNetwork({ confDir: at.cniConf, ipamDir: at.ipam, bridge: at.bridge });
    done.push(`network: bridge ${at.bridge} and rules removed`);
  }
  await removeRemains({
    clock: systemClock,
    dataDir: at.kubelet,
    runDir: at.kubeletRun,
    cgroupRoot: cgroupRootOf(place.name),
  });
  rmSync(place.runDir, { recursive: true, force: true });
  return done;
}

/** Removes a data directory for good. Throws when something is still mounted below it. */
export async function purge(dataDir: string): Promise<void> {
  const [left] = process.platform === 'linux' ? await mountsBelow(dataDir) : [];
  if (left)
    throw new Error(
      `${left} is still mounted: unmount it ("umount ${left}"), then run this again; nothing was removed.`,
    );
  rmSync(dataDir, { recursive: true, force: true });
}
