// /etc/hosts of a pod's containers.
// https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/
import type { HostAlias } from '../api/core/v1.gen.ts';

const aliasLines = (aliases: HostAlias[] = []): string =>
  aliases.length === 0
    ? ''
    : `\n# Entries added by HostAliases.\n${aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`).join('')}`;

/** For a pod with a network of its own. `domain` is '' unless the pod has a subdomain. */
export function podHostsFile(ips: string[], hostname: string, domain: string, aliases?: HostAlias[]): string {
  const own = ips.map((ip) => `${ip}\t${domain ? `${hostname}.${domain}\t${hostname}` : hostname}\n`);
  return [
    '# Kubernetes-managed hosts file.\n',
    '127.0.0.1\tlocalhost\n',
    '::1\tlocalhost ip6-localhost ip6-loopback\n',
    'fe00::0\tip6-localnet\n',
    'fe00::0\tip6-mcastprefix\n',
    'fe00::1\tip6-allnodes\n',
    'fe00::2\tip6-allrouters\n',
    ...own,
    aliasLines(aliases),
  ].join('');
}

/** For a pod on the host's network: the node's file, and the aliases. */
export const hostNetworkHostsFile = (node: string, aliases?: HostAlias[]): string =>
  `# Kubernetes-managed hosts file (host network).\n${node}${aliasLines(aliases)}`;
