// The pod network of one node as a CNI configuration: a bridge with the pods of the node on it, addresses handed out
// by host-local, host ports by portmap. The plugins are the distribution's.
// Format: https://www.cni.dev/docs/spec/#configuration-format and https://www.cni.dev/plugins/current/main/bridge/

export interface BridgeNetwork {
  /** Name of the network: state of the plugins is kept by it. */
  readonly name: string;
  /** This node's part of the cluster's pod addresses, like 10.244.0.0/24. The first address is the bridge's own. */
  readonly podCIDR: string;
  /** Name of the bridge, at most 15 bytes; see bridgeName(). */
  readonly bridge: string;
  /** That of the interface by which the node reaches the others. */
  readonly mtu: number;
  /**
   * Where host-local keeps which addresses are taken. On a tmpfs: after a reboot no pod has one, and entries that
   * stayed would never be freed.
   */
  readonly ipamDir: string;
}

export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[];
}

/** The network configuration list for the bridge. Masquerading is not the plugin's: see masqueradeRules(). */
export function bridgeConflist({ name, podCIDR, bridge, mtu, ipamDir }: BridgeNetwork): Conflist {
  if (bridge.length > 15) throw new RangeError(`bridge name longer than 15 bytes: ${bridge}`);
  return {
    cniVersion: '0.4.0', // what plugins of 2020 and later understand
    name,
    plugins: [
      {
        type: 'bridge',
        bridge,
        mtu,
        isGateway: true,
        forceAddress: true, // a bridge left with another address is corrected
        hairpinMode: true, // a pod reaches itself through its own service
        ipam: {
          type: 'host-local',
          dataDir: ipamDir,
          ranges: [[{ subnet: podCIDR }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
}

/**
 * The bridge of a cluster, at most 15 bytes (the kernel's limit) and different for different names: 'wherry' ->
 * 'wb-wherry', 'my-very-long-cluster' -> 'wb-my-ve-1a2b3c'. Characters that a device name cannot have count as long.
 */
export function bridgeName(cluster: string): string {
  return /^[a-z0-9-]{1,12}$/.test(cluster)
    ? `wb-${cluster}`
    : `wb-${cluster.replace(/[^a-z0-9]/g, '').slice(0, 5)}-${fnv1a(cluster).toString(16).padStart(8, '0').slice(0, 6)}`;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

export interface Masquerade {
  readonly bridge: string;
  /** This node's pods. */
  readonly podCIDR: string;
  /** All pods of the cluster: traffic to those keeps its source address. */
  readonly clusterCIDR: string;
}

/** The chains of one cluster; those of another one carry another bridge's name. At most 28 bytes, as iptables wants. */
export const masqueradeChains = (bridge: string) => ({
  nat: `WHERRY-POST-${bridge}`,
  filter: `WHERRY-FWD-${bridge}`,
});

/**
 * Text for `iptables-restore --noflush`: fills the cluster's own chains anew. Packets of pods to outside the cluster
 * get the node's address, and packets of and to pods are forwarded whatever the policy of FORWARD is (docker sets it
 * to DROP). The chains take effect by the jumps of masqueradeJumps.
 */
export function masqueradeRules({ bridge, podCIDR, clusterCIDR }: Masquerade): string {
  const { nat, filter } = masqueradeChains(bridge);
  const outside = `-A ${nat} -s ${podCIDR}`;
  return [
    '*nat',
    `:${nat} - [0:0]`,
    `${outside} -d ${clusterCIDR} -m comment --comment "pods keep their address among pods" -j RETURN`,
    `${outside} -d 224.0.0.0/4 -m comment --comment "and to multicast groups" -j RETURN`,
    `${outside} -m comment --comment "pods leave with the address of the node" -j MASQUERADE --random-fully`,
    'COMMIT',
    '*filter',
    `:${filter} - [0:0]`,
    `-A ${filter} -s ${podCIDR} -m comment --comment "from pods of this node" -j ACCEPT`,
    `-A ${filter} -d ${podCIDR} -m comment --comment "to pods of this node" -j ACCEPT`,
    'COMMIT',
    '',
  ].join('\n');
}

/** Arguments of iptables for the jumps into the chains; appended, so that rules of others are asked first. */
export const masqueradeJumps = (
  bridge: string,
): readonly { table: string; chain: string; target: string }[] => [
  { table: 'nat', chain: 'POSTROUTING', target: masqueradeChains(bridge).nat },
  { table: 'filter', chain: 'FORWARD', target: masqueradeChains(bridge).filter },
];
