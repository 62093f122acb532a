import type { ApiServerSettings } from './api-settings.ts';
import type { LeaderElectionSettings } from './election.ts';

/** Everything that a cluster is started with. */
export interface ClusterConfig {
  name: string;
  dataDir: string;
  /** Sockets and process ids: gone after a reboot. */
  runDir: string;
  apiPort: number;
  /** Addresses that the API server listens on; the node's own is added. */
  bindAddresses: string[];
  /** Of etcd: its endpoints, with commas between: `etcd=http://10.0.0.1:2379`. */
  store: 'memory' | 'embedded' | `etcd=${string}`;
  /** Real nodes: 0 or 1 on this machine. */
  nodes: number;
  simulatedNodes: number;
  podCIDR: string;
  serviceCIDR: string;
  clusterDomain: string;
  /** What the API server does beyond its defaults. */
  /** Whether components answer at ports of their own, too. */
  componentPorts?: boolean;
  apiServer?: ApiServerSettings;
  /** Whether controllers and scheduler run in one of several processes only; undefined: they run here. */
  leaderElection?: LeaderElectionSettings | undefined;
  /** The user's own kubeconfig, into which a context is merged; undefined: none is. */
  userKubeconfig: string | undefined;
}

/** Address ranges that a cluster of this name takes, so that several on one machine do not meet. */
export function rangesFor(name: string): { podCIDR: string; serviceCIDR: string } {
  if (name === 'default') return { podCIDR: '10.244.0.0/16', serviceCIDR: '10.96.0.0/16' };
  let hash = 7;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) % 59;
  return { podCIDR: `10.${128 + hash}.0.0/16`, serviceCIDR: `10.${188 + hash}.0.0/16` };
}

/** The n-th address of `10.96.0.0/16`. */
export function addressIn(cidr: string, n: number): string {
  const [a, b, c, d] = cidr.split('/')[0]!.split('.').map(Number) as [number, number, number, number];
  const value = ((a * 256 + b) * 256 + c) * 256 + d + n;
  return [value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value]
    .map((part) => Math.floor(part) % 256)
    .join('.');
}

/** The part of the pod range that the i-th node has: a /24. */
export const nodePodCIDR = (podCIDR: string, i: number): string => `${addressIn(podCIDR, i * 256)}/24`;

/** A cluster's name is part of file, interface and chain names. Throws a sentence that says what is allowed. */
export function checkName(name: string): void {
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `"${name}" cannot be a cluster's name: use up to 32 lower-case letters, digits and dashes, as in "dev-1".`,
    );
  }
}
