import { services } from '../../api/core/service.ts';
import type { Service, ServicePort } from '../../api/core/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { type FieldError, field, invalid, StatusError } from '../../machinery/status.ts';
import type { Store } from '../../machinery/store.ts';
import type { Caches } from '../cache/caches.ts';
import type { Alongside, Context } from '../context.ts';
import type { Allocation, Allocator } from '../registry/registry.ts';
import { type ClusterIPs, clusterIPs, familyOf, ipAddressKey } from './cluster-ips.ts';
import { settleFamilies } from './ip-families.ts';
import { type NodePorts, nodePorts } from './node-ports.ts';
import { repairAddresses, startRanges } from './repair.ts';

export interface ServiceRanges {
  /** `10.96.0.0/16`, or one of each family: `10.96.0.0/16,fd00:10:96::/112` */
  serviceCIDR: string;
  /** `30000-32767` */
  nodePorts: string;
}

export interface AllocatorParts {
  store: Store;
  caches: Caches;
  random: () => number;
  uuid: () => string;
  now: () => number;
}

export interface ServiceAllocator extends Allocator {
  /** Makes the first range, and sets right what services hold. */
  start(signal: AbortSignal): Promise<void>;
  /** Finds what leaked, and what is missing; both are rare, and come from outside. */
  repair(): Promise<void>;
}

const isService = (context: Context) =>
  context.served.kind.group === '' && context.served.kind.plural === 'services';
const held = (service: Service | undefined) => ({
  ips: (service?.spec?.clusterIPs ?? []).filter((ip) => ip && ip !== 'None'),
  ports: [
    ...new Set([...(service?.spec?.ports ?? []).map((p) => p.nodePort), service?.spec?.healthCheckNodePort]),
  ].filter((p): p is number => Boolean(p)),
});

/**
 * Cluster IPs and node ports of services. They are chosen before a service is validated, and become the service's own in the
 * transaction that writes it.
 */
export function serviceAllocator(parts: AllocatorParts, ranges: ServiceRanges): ServiceAllocator {
  const { caches, store } = parts;
  const ips = clusterIPs(caches, parts);
  const ports = nodePorts(store, ranges.nodePorts, parts.random);
  const all = () =>
    [...(caches.of(services)?.entries.values() ?? [])].map(({ object }) => object as unknown as Service);
  const configured = ranges.serviceCIDR.split(',').map(familyOf);

  return {
    async start(signal) {
      await startRanges(parts, ranges.serviceCIDR);
      await ports.start(signal);
      await this.repair();
    },
    async repair() {
      await repairAddresses(parts, all());
      await ports.repair(() => all().flatMap((service) => held(service).ports));
    },
    allocate(context, object: AnyObject, old: AnyObject | undefined) {
      if (!isService(context) || context.subresource) return undefined;
      const service = object as unknown as Service;
      const was = old as unknown as Service | undefined;
      if (was) keepOrDrop(service, was);
      const families = [...new Set([...configured, ...ips.families()])];
      const wrong = settleFamilies(service, was, families);
      if (wrong.length) throw invalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', wrong);
      const taking = new Taking(service, was, ips, ports);
      try {
        taking.addresses();
        taking.nodePorts();
      } catch (error) {
        taking.undo();
        throw error;
      }
      return taking;
    },
    removed(context, object: AnyObject) {
      if (!isService(context)) return undefined;
      const has = held(object as unknown as Service);
      return () => [
        ...has.ips.map((ip): Alongside => ({ key: ipAddressKey(ip), remove: true })),
        ...(has.ports.length ? [ports.record([], has.ports)] : []),
      ];
    },
  };
}

/** What one write takes and lets go of. */
class Taking implements Allocation {
  readonly #service: Service;
  readonly #before: ReturnType<typeof held>;
  readonly #ips: ClusterIPs;
  readonly #ports: NodePorts;
  readonly #reserved: Exclude<ReturnType<ClusterIPs['take']>, string>[] = [];
  readonly #taken: number[] = [];
  readonly #putBack: (() => void)[] = [];

  constructor(service: Service, old: Service | undefined, ips: ClusterIPs, ports: NodePorts) {
    this.#service = service;
    this.#before = held(old);
    this.#ips = ips;
    this.#ports = ports;
  }

  release(): void {
    for (const { release } of this.#reserved.splice(0)) release();
    for (const port of this.#taken.splice(0)) this.#ports.release(port);
  }

  undo(): void {
    this.release();
    for (const step of this.#putBack.splice(0)) step();
  }

  /** Throws AllocationLost where somebody else was faster. */
  alongside(): Alongside[] {
    const { metadata } = this.#service;
    const owner = { namespace: metadata.namespace!, name: metadata.name! };
    const now = held(this.#service);
    const freed = this.#before.ports.filter((port) => !now.ports.includes(port));
    return [
      ...this.#reserved.map((one) => one.record(owner)),
      ...this.#before.ips
        .filter((ip) => !now.ips.includes(ip))
        .map((ip): Alongside => ({ key: ipAddressKey(ip), remove: true })),
      ...(this.#taken.length || freed.length ? [this.#ports.record(this.#taken, freed)] : []),
    ];
  }

  addresses(): void {
    const { spec } = this.#service;
    if (spec.type === 'ExternalName') return;
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return;
    }
    const given = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
    const { clusterIP, clusterIPs: list } = spec;
    this.#putBack.push(() => {
      spec.clusterIP = clusterIP;
      if (clusterIP === undefined) delete spec.clusterIP;
      spec.clusterIPs = list;
      if (list === undefined) delete spec.clusterIPs;
    });
    spec.clusterIPs = (spec.ipFamilies ?? []).map((family, i) =>
      given[i] ? this.#take(given[i]) : this.#any(family as 'IPv4' | 'IPv6'),
    );
    spec.clusterIP = spec.clusterIPs[0]!;
  }

  #take(ip: string): string {
    if (this.#before.ips.includes(ip)) return ip;
    const taken = this.#ips.take(ip);
    if (typeof taken === 'string')
      throw this.#wrong(field('spec', 'clusterIPs').invalid([ip], `failed to allocate IP ${ip}: ${taken}`));
    this.#reserved.push(taken);
    return ip;
  }

  #any(family: 'IPv4' | 'IPv6'): string {
    const taken = this.#ips.any(family);
    if (!taken) throw new StatusError(500, 'InternalError', 'failed to allocate a serviceIP: range is full');
    this.#reserved.push(taken);
    return taken.ip;
  }

  nodePorts(): void {
    const { spec } = this.#service;
    const needed =
      spec.type === 'NodePort' ||
      (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
    const mine = new Map<string, number>();
    for (const [i, port] of (spec.ports ?? []).entries()) this.#port(port, i, needed, mine);
    const check = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
    if (!check) return;
    const at = field('spec', 'healthCheckNodePort');
    if (spec.healthCheckNodePort) this.#takePort(spec.healthCheckNodePort, at);
    else {
      spec.healthCheckNodePort = this.#anyPort();
      this.#putBack.push(() => delete spec.healthCheckNodePort);
    }
  }

  #port(port: ServicePort, i: number, needed: boolean, mine: Map<string, number>): void {
    const key = `${port.protocol}/${port.port}`;
    const known = port.nodePort;
    if (known) {
      if (![...mine.values()].includes(known)) this.#takePort(known, field('spec', 'ports', i, 'nodePort'));
      mine.set(key, known);
    } else if (needed) {
      // The same port of another protocol shares its number, as with DNS on TCP and UDP.
      const twin = [...mine].find(
        ([other]) => other.split('/')[1] === String(port.port) && !other.startsWith(`${port.protocol}/`),
      )?.[1];
      port.nodePort = twin ?? this.#anyPort();
      this.#putBack.push(() => delete port.nodePort);
      mine.set(key, port.nodePort);
    }
  }

  #takePort(port: number, at: ReturnType<typeof field>): void {
    if (this.#before.ports.includes(port)) return;
    if (!this.#ports.has(port))
      throw this.#wrong(
        at.invalid(
          port,
          `provided port is not in the valid range. The range of valid ports is ${this.#ports.range}`,
        ),
      );
    if (!this.#ports.take(port)) throw this.#wrong(at.invalid(port, 'provided port is already allocated'));
    this.#taken.push(port);
  }

  #anyPort(): number {
    const port = this.#ports.any();
    if (port === undefined)
      throw new StatusError(500, 'InternalError', 'failed to allocate a nodePort: range is full');
    this.#taken.push(port);
    return port;
  }

  #wrong(error: FieldError): StatusError {
    return invalid({ group: '', kind: 'Service' }, this.#service.metadata.name ?? '', [error]);
  }
}

/** An update that leaves the addresses out keeps them; one that changes the type drops what the new type has not. */
function keepOrDrop(service: Service, old: Service): void {
  const { spec } = service;
  if (spec.type === 'ExternalName') {
    if (spec.clusterIP === old.spec.clusterIP) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
  } else if (!spec.clusterIP && old.spec.type !== 'ExternalName') {
    spec.clusterIP = old.spec.clusterIP;
    spec.clusterIPs = old.spec.clusterIPs;
  }
  if (spec.type !== 'ExternalName' && old.spec.type !== 'ExternalName') {
    spec.ipFamilies ??= old.spec.ipFamilies;
    if (spec.ipFamilies === undefined) delete spec.ipFamilies;
  }
  const checked = (of: Service['spec']) => of.type === 'LoadBalancer' && of.externalTrafficPolicy === 'Local';
  if (checked(spec) && checked(old.spec)) spec.healthCheckNodePort ??= old.spec.healthCheckNodePort;
  const ported = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const oldPorts = old.spec.ports ?? [];
  for (const port of spec.ports ?? []) {
    const same = oldPorts.find(
      (p) => p.port === port.port && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (ported) port.nodePort ??= same?.nodePort;
    else if (port.nodePort && port.nodePort === same?.nodePort) delete port.nodePort;
    if (port.nodePort === undefined) delete port.nodePort;
  }
}
