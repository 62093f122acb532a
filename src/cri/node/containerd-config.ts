// The configuration of the node's own containerd. Version 2 of its format: containerd 1.5 to 2.x read it.
// Reference: https://github.com/containerd/containerd/blob/main/docs/cri/config.md

export interface ContainerdConfig {
  /** Images and snapshots: survives a reboot. */
  readonly root: string;
  /** Sockets, running containers: does not. */
  readonly state: string;
  readonly socket: string;
  readonly snapshotter: 'overlayfs' | 'native';
  readonly sandboxImage: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  /** Directory with a folder per registry host, each with a hosts.toml; read at each pull. */
  readonly registryDir: string;
  readonly streamAddress: string;
  /** Without CAP_SYS_RESOURCE the kernel refuses to lower oom_score_adj, and runc would die of it. */
  readonly restrictOomScore: boolean;
  /** Full path of runc or crun. */
  readonly runtimeBinary: string;
}

// TOML's basic strings escape as JSON's do.
const quote = (text: string): string => JSON.stringify(text);

/** The text of config.toml. */
export function containerdConfig(config: ContainerdConfig): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${quote(config.root)}
state = ${quote(config.state)}
# Snapshotters that need what is not here, and a plugin that writes to /opt.
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]

[grpc]
  address = ${quote(config.socket)}

[${cri}]
  sandbox_image = ${quote(config.sandboxImage)}
  restrict_oom_score_adj = ${config.restrictOomScore}
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stream_server_address = ${quote(config.streamAddress)}
  stream_server_port = "0"

  [${cri}.cni]
    bin_dir = ${quote(config.cniBinDir)}
    conf_dir = ${quote(config.cniConfDir)}
    max_conf_num = 1

  [${cri}.containerd]
    snapshotter = ${quote(config.snapshotter)}
    default_runtime_name = "runc"

    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [${cri}.containerd.runtimes.runc.options]
        BinaryName = ${quote(config.runtimeBinary)}
        Root = ${quote(`${config.state}/runc`)}
        SystemdCgroup = false

  [${cri}.registry]
    config_path = ${quote(config.registryDir)}
`;
}

/** Where pulls of one registry's images go instead. Keys: the host in image names, like 'docker.io' or 'reg:5000'. */
export type Registries = Readonly<Record<string, { readonly endpoint: string; readonly insecure?: boolean }>>;

/** The text of hosts.toml for one registry: the endpoint first, the registry itself when that has not got the image. */
export function registryHosts(host: string, { endpoint, insecure }: Registries[string]): string {
  const server = host === 'docker.io' ? 'https://registry-1.docker.io' : `https://${host}`;
  return `server = ${quote(server)}

[host.${quote(endpoint)}]
  capabilities = ["pull", "resolve"]
${insecure ? '  skip_verify = true\n' : ''}`;
}
