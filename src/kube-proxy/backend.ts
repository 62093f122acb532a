import type { Log } from '../machinery/log.ts';
import type { ServiceMap } from './service-map.ts';

/** What a backend is made for; the same for all of them. */
export interface BackendConfig {
  /** Begins the names of all chains (tables, sets): clusters on one machine have different ones. */
  readonly prefix: string;
  /** The cluster's name, as comments show it. */
  readonly owner: string;
  /** One bit of the packet mark: traffic that leaves with the node's address. */
  readonly mark: number;
  readonly clusterCIDR?: string;
  readonly nodeIP?: string;
  readonly masqueradeAll?: boolean;
  /** See RuleConfig; found out by looking at the machine unless given. */
  readonly masqueradeLocal?: boolean;
  readonly nodePortAddresses?: readonly string[];
  readonly localhostNodePorts?: boolean;
  readonly log: Log;
}

/** Something that can send packets for services to endpoints. */
export interface Backend {
  readonly name: 'iptables' | 'nftables' | 'simulated';
  /**
   * Makes the rules be those of `services`. `full` trusts nothing that it wrote before. Rejects when the kernel does not
   * take them: nothing is changed then, and the next write has to be a full one.
   */
  write(services: ServiceMap, full: boolean): Promise<void>;
  /** False when somebody else has removed rules of ours. */
  intact(): Promise<boolean>;
  /** Forgets UDP flows to endpoints that are no longer there; how many kinds of flow those were. */
  dropStaleFlows(services: ServiceMap): Promise<number>;
  /** Removes everything of this prefix. Idempotent; works for what an earlier process left. */
  cleanup(): Promise<void>;
}

export type BackendFactory = (config: BackendConfig) => Promise<Backend>;
