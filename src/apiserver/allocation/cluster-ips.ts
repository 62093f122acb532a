import { ipAddresses } from '../../api/networking/ip-address.ts';
import { serviceCIDRs } from '../../api/networking/service-cidr.ts';
import type { IPAddress, ServiceCIDR } from '../../api/networking/v1.gen.ts';
import { type Random, time } from '../../machinery/clock.ts';
import { formatIP, ipBits, ipRange } from '../../machinery/ip.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Caches } from '../cache/caches.ts';
import { encodeForStore } from '../cache/entry.ts';
import type { Alongside } from '../context.ts';
import { AllocationLost } from '../registry/registry.ts';

export type Family = 'IPv4' | 'IPv6';
type Range = NonNullable<ReturnType<typeof ipRange>>;

export const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');
export const ipAddressKey = (ip: string): string => `/registry/ipaddresses/${canonical(ip)}`;

function canonical(ip: string): string {
  const { bits, width } = ipBits(ip)!;
  return formatIP(bits, width);
}

export interface ClusterIPs {
  /** Families that there are ranges for. */
  families(): Family[];
  /** A free address; undefined when all are taken. It is held until `release`. */
  any(family: Family): Reservation | undefined;
  /** This address, held until `release`; or why it cannot be had. */
  take(ip: string): Reservation | string;
}

/** An address that is ours as soon as `record` is written together with the service. */
export interface Reservation {
  ip: string;
  release(): void;
  /** The IPAddress that says whose it is. Throws AllocationLost when there is one by now. */
  record(service: { namespace: string; name: string }): Alongside;
}

/**
 * Cluster IPs out of the ranges of all ServiceCIDRs that are ready. Whoever creates the IPAddress of an address has it: that
 * happens in the transaction that writes the service, so that nothing leaks and nothing is given out twice, however many
 * servers there are. Source: KEP-1880.
 */
export function clusterIPs(
  caches: Caches,
  { random, uuid, now }: { random: Random; uuid: () => string; now: () => number },
): ClusterIPs {
  /** Chosen, and not written yet. */
  const held = new Set<string>();
  const isTaken = (ip: string): boolean =>
    held.has(ip) || caches.of(ipAddresses)?.get(ipAddressKey(ip)) !== undefined;

  function ranges(): Range[] {
    const all: Range[] = [];
    for (const { object } of caches.of(serviceCIDRs)?.entries.values() ?? []) {
      const { metadata, spec, status } = object as unknown as ServiceCIDR;
      const ready = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
      if (!ready || metadata.deletionTimestamp) continue;
      for (const cidr of spec?.cidrs ?? []) all.push(ipRange(cidr)!);
    }
    return all;
  }
  const widthOf = (family: Family) => (family === 'IPv4' ? 32 : 128);

  function reserve(ip: string): Reservation {
    held.add(ip);
    return {
      ip,
      release: () => void held.delete(ip),
      record({ namespace, name }) {
        const key = ipAddressKey(ip);
        if (caches.of(ipAddresses)?.get(key)) throw new AllocationLost(ip);
        const object = ipAddressOf(ip, namespace, name, uuid(), now());
        return { key, revision: 0, value: encodeForStore(ipAddresses, object), decoded: object };
      },
    };
  }

  return {
    families: () => [...new Set(ranges().map(({ width }): Family => (width === 32 ? 'IPv4' : 'IPv6')))],
    any(family) {
      const mine = ranges().filter(({ width }) => width === widthOf(family));
      const first = Math.floor(random() * mine.length);
      for (let i = 0; i < mine.length; i++) {
        const ip = freeIn(mine[(first + i) % mine.length]!, random, isTaken);
        if (ip) return reserve(ip);
      }
      return undefined;
    },
    take(text) {
      const ip = canonical(text);
      const { bits, width } = ipBits(ip)!;
      const inside = ranges().some((r) => r.width === width && bits > r.first && bits <= lastUsable(r));
      if (!inside) return 'the provided network does not match the current range';
      return isTaken(ip) ? 'provided IP is already allocated' : reserve(ip);
    },
  };
}

/** IPv4's last address is for broadcasts. */
const lastUsable = ({ last, width }: Range): bigint => (width === 32 ? last - 1n : last);

/**
 * The lower part of a range is left to those who choose their address themselves, as long as there is room above it.
 * Source: KEP-3070.
 */
function freeIn(range: Range, random: Random, isTaken: (ip: string) => boolean): string | undefined {
  const first = range.first + 1n;
  const last = lastUsable(range);
  const size = last - first + 1n;
  if (size <= 0n) return undefined;
  const reserved = size / 16n;
  const split = first + (reserved < 16n ? 0n : reserved > 256n ? 256n : reserved);
  return (
    freeBetween(split, last, range.width, random, isTaken) ??
    (split > first ? freeBetween(first, split - 1n, range.width, random, isTaken) : undefined)
  );
}

/** From a random place on: an address that was just given back is not given out at once. */
function freeBetween(
  first: bigint,
  last: bigint,
  width: 32 | 128,
  random: Random,
  isTaken: (ip: string) => boolean,
): string | undefined {
  const size = last - first + 1n;
  // As many numbers as a random one can tell apart are enough for a place to start.
  const start = (BigInt(Math.floor(random() * 2 ** 32)) * size) >> 32n;
  const tries = size < 1n << 20n ? size : 1n << 20n;
  for (let i = 0n; i < tries; i++) {
    const ip = formatIP(first + ((start + i) % size), width);
    if (!isTaken(ip)) return ip;
  }
  return undefined;
}

export function ipAddressOf(
  ip: string,
  namespace: string,
  name: string,
  uid: string,
  nowMs: number,
): AnyObject {
  return {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: {
      name: ip,
      uid,
      generation: 1,
      creationTimestamp: time(nowMs),
      labels: {
        'ipaddress.kubernetes.io/ip-family': familyOf(ip),
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace, name } },
  } satisfies IPAddress & { kind: string } as unknown as AnyObject;
}
