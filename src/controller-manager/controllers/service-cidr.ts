import { ipAddresses } from '../../api/networking/ip-address.ts';
import { serviceCIDRs } from '../../api/networking/service-cidr.ts';
import type { IPAddress, ServiceCIDR } from '../../api/networking/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { ipBits, ipRange } from '../../machinery/ip.ts';
import { setStatus, update } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';

/**
 * A range of service addresses is ready as soon as it is held by a finalizer. It may go when no address of it is in use that
 * no other range has. Source: KEP-1880.
 */
export const serviceCIDRController = controller<ServiceCIDR, { held: boolean }>({
  name: 'service-cidr',
  component: 'service-cidrs-controller',
  for: serviceCIDRs,
  watches: [
    // One that comes or goes may free another; so may an address that goes.
    watch(serviceCIDRs, (_range, cache) => deleting(cache.of(serviceCIDRs).list())),
    watch(ipAddresses, (_address, cache) => deleting(cache.of(serviceCIDRs).list())),
  ],
  workers: 1,
  observe: (range, cache) => ({
    held:
      Boolean(range.metadata.deletionTimestamp) &&
      isHeld(range, cache.of(serviceCIDRs).list(), cache.of(ipAddresses).list()),
  }),
  reconcile(range, { held }, now) {
    const { metadata } = range;
    const finalizers = metadata.finalizers ?? [];
    if (metadata.deletionTimestamp) {
      if (held)
        return settle(range, now, {
          status: 'False',
          reason: 'Terminating',
          message:
            'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
        });
      if (!finalizers.includes(finalizer)) return [];
      const rest = finalizers.filter((name) => name !== finalizer);
      return [update(serviceCIDRs, { ...range, metadata: { ...metadata, finalizers: rest } })];
    }
    if (!finalizers.includes(finalizer))
      return [
        update(serviceCIDRs, { ...range, metadata: { ...metadata, finalizers: [...finalizers, finalizer] } }),
      ];
    return settle(range, now, { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' });
  },
});

const deleting = (ranges: readonly ServiceCIDR[]): string[] =>
  ranges.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name!);

function settle(range: ServiceCIDR, nowMs: number, to: { status: string; reason: string; message: string }) {
  const conditions = range.status?.conditions ?? [];
  const is = conditions.find(({ type }) => type === 'Ready');
  // The range that the cluster began with has a message of its own.
  if (is?.status === to.status && is.reason === to.reason) return [];
  const ready = { type: 'Ready', lastTransitionTime: time(nowMs), ...to };
  const others = conditions.filter(({ type }) => type !== 'Ready');
  return [setStatus(serviceCIDRs, range, { conditions: [...others, ready] })];
}

function isHeld(
  range: ServiceCIDR,
  ranges: readonly ServiceCIDR[],
  addresses: readonly IPAddress[],
): boolean {
  const within = ({ spec }: ServiceCIDR, ip: string): boolean => {
    const { bits, width } = ipBits(ip)!;
    return (spec?.cidrs ?? []).some((cidr) => {
      const { first, last, width: its } = ipRange(cidr)!;
      return its === width && bits >= first && bits <= last;
    });
  };
  const others = ranges.filter(
    ({ metadata }) => metadata.name !== range.metadata.name && !metadata.deletionTimestamp,
  );
  return addresses.some(
    ({ metadata: { name } }) => within(range, name!) && !others.some((other) => within(other, name!)),
  );
}
