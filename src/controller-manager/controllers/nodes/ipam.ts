import { nodes } from '../../../api/core/node.ts';
import type { Node } from '../../../api/core/v1.gen.ts';
import { event, patch } from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';

/** Bits of an address, most significant first. */
function parseAddress(text: string): { value: bigint; bits: number } {
  if (!text.includes(':')) {
    const value = text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
    return { value, bits: 32 };
  }
  const [head = '', tail = ''] = text.split('::');
  const words = (part: string) => (part ? part.split(':') : []);
  const middle = text.includes('::') ? 8 - words(head).length - words(tail).length : 0;
  const all = [...words(head), ...Array<string>(middle).fill('0'), ...words(tail)];
  return { value: all.reduce((sum, word) => sum * 65536n + BigInt(`0x${word || '0'}`), 0n), bits: 128 };
}

function formatAddress(value: bigint, bits: number): string {
  const size = bits === 32 ? 8 : 16;
  const parts = Array.from({ length: bits / size }, (_, i) =>
    Number((value >> BigInt(bits - size * (i + 1))) & ((1n << BigInt(size)) - 1n)),
  );
  if (bits === 32) return parts.join('.');
  const text = parts.map((p) => p.toString(16)).join(':');
  // The longest run of zeros is left out, as addresses are written.
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const run = runs[0];
  if (!run) return text;
  const before = text.slice(0, run.index);
  const after = text.slice(run.index + run[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The parts of a CIDR, each of `prefix` bits: `10.244.0.0/16` into `10.244.0.0/24`, `10.244.1.0/24` ... */
export function* partsOf(cidr: string, prefix: number): Generator<string> {
  const [address, length] = cidr.split('/');
  const { value, bits } = parseAddress(address!);
  const shift = BigInt(bits - prefix);
  const start = (value >> BigInt(bits - Number(length))) << BigInt(bits - Number(length));
  for (let i = 0n; i < 1n << BigInt(prefix - Number(length)); i++) {
    yield `${formatAddress(start + (i << shift), bits)}/${prefix}`;
  }
}

/** Gives each node its part of the cluster's pod addresses. */
export const nodeIpamController = controller<Node, Set<string>>({
  name: 'node-ipam',
  component: 'cidrAllocator',
  for: nodes,
  // One at a time: two nodes must not be given the same.
  workers: 1,
  observe: (node, cache) =>
    node.spec.podCIDR
      ? new Set()
      : new Set(
          cache
            .of(nodes)
            .list()
            .flatMap((n) => n.spec.podCIDRs ?? n.spec.podCIDR ?? []),
        ),
  reconcile(node, taken, _nowMs, { config }) {
    const { clusterCidrs = [] } = config;
    if (node.spec.podCIDR || node.metadata.deletionTimestamp || clusterCidrs.length === 0) return [];
    const podCIDRs: string[] = [];
    for (const cidr of clusterCidrs) {
      const length = Number(cidr.split('/')[1]);
      const given = cidr.includes(':')
        ? (config.nodeCidrMaskSizeIPv6 ?? 64)
        : (config.nodeCidrMaskSizeIPv4 ?? 24);
      const free = partsOf(cidr, Math.max(length, given)).find((part) => !taken.has(part));
      if (!free)
        return [
          event('Warning', 'CIDRNotAvailable', `Node ${node.metadata.name} status is now: CIDRNotAvailable`),
        ];
      podCIDRs.push(free);
    }
    const { resourceVersion } = node.metadata;
    const body = { metadata: { resourceVersion }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
    return [patch(nodes, node, body, { type: 'merge' })];
  },
});
