import type { Client } from '../client/client.ts';
import type { Discovery } from '../client/discovery.ts';
import type { Kind } from '../machinery/kind.ts';

/** What the controllers want to know; each part may be left out. Times are in milliseconds. */
export interface Config {
  /** The built-in kinds: those whose objects several controllers watch, and that are counted. */
  kinds: Kind<any>[];
  /**
   * What the API server serves now, built in or not, also by other servers: what namespaces are emptied of, and where owners
   * are looked for. Asked again and again: `repeatedDiscovery` makes that cheap.
   */
  discover: () => Promise<Discovery>;
  /** PEM of the cluster's CA: published to every namespace. Without it, nothing is published. */
  rootCA?: string;
  /** Makes the token of a `kubernetes.io/service-account-token` Secret. Without it, such secrets stay empty. */
  mintToken?: (
    account: { namespace: string; name: string; uid: string },
    secret: { name: string; uid: string },
  ) => Promise<string>;
  /** Nodes get parts of these as pod CIDRs, IPv4 first; none: nodes keep what they have. */
  clusterCidrs?: string[];
  /** Prefix lengths of a node's pod CIDR. */
  nodeCidrMaskSizeIPv4?: number;
  nodeCidrMaskSizeIPv6?: number;
  nodeMonitorPeriodMs?: number;
  nodeMonitorGracePeriodMs?: number;
  /** Terminated pods beyond this number are removed, oldest first. */
  terminatedPodThreshold?: number;
  /** How soon the garbage collector looks for objects whose kind it does not know yet, and the like. */
  resyncPeriodMs?: number;
  /** A client with the controller's own identity. */
  clientFor?: (controller: string) => Client;
}
