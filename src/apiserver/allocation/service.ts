import { services } from '../../api/core/service.ts';
import type { Service, ServicePort } from '../../api/core/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { type FieldError, field, invalid, StatusError } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { Context } from '../context.ts';
import type { Allocator } from '../registry/registry.ts';
import { formatIPv4, parseIPv4, subnet } from './ipv4.ts';

/** Numbers of a range, each given out once. */
class Pool {
  readonly #used = new Set<number>();
  readonly first: number;
  readonly last: number;
  readonly random: () => number;
  constructor(first: number, last: number, random: () => number) {
    this.first = first;
    this.last = last;
    this.random = random;
  }
  has(n: number): boolean {
    return n >= this.first && n <= this.last;
  }
  take(n: number): boolean {
    if (this.#used.has(n)) return false;
    this.#used.add(n);
    return true;
  }
  /** Any free number, from a random place on: a number that was just given back is not given out at once. */
  any(): number | undefined {
    const size = this.last - this.first + 1;
    const start = Math.floor(this.random() * size);
    for (let i = 0; i < size; i++) {
      const n = this.first + ((start + i) % size);
      if (this.take(n)) return n;
    }
    return undefined;
  }
  free(n: number): void {
    this.#used.delete(n);
  }
}

export interface ServiceRanges {
  /** `10.96.0.0/16` */
  serviceCIDR: string;
  /** `30000-32767` */
  nodePorts: string;
}

/**
 * Cluster IPs and node ports. What services hold is read from the store at start; a number is reserved before the write and
 * given back when the write fails, so that nothing leaks and nothing is given out twice.
 */
export function serviceAllocator(
  caches: Caches,
  ranges: ServiceRanges,
  random: () => number,
): Allocator & { load(): void } {
  const { first, last } = subnet(ranges.serviceCIDR);
  const ips = new Pool(first + 1, last - 1, random);
  const [low, high] = ranges.nodePorts.split('-').map(Number) as [number, number];
  const ports = new Pool(low, high, random);

  const isService = (context: Context) =>
    context.served.kind.group === '' && context.served.kind.plural === 'services';
  const held = (service: Service | undefined) => ({
    ips: (service?.spec?.clusterIPs ?? []).filter((ip) => ip && ip !== 'None'),
    ports: [
      ...new Set([
        ...(service?.spec?.ports ?? []).map((p) => p.nodePort),
        service?.spec?.healthCheckNodePort,
      ]),
    ].filter((p): p is number => Boolean(p)),
  });
  function wrong(name: string, error: FieldError): StatusError {
    return invalid({ group: '', kind: 'Service' }, name, [error]);
  }

  function allocate(service: Service, old: Service | undefined, undo: (() => void)[]): void {
    const { spec } = service;
    const name = service.metadata.name ?? '';
    const before = held(old);
    const takeIp = (ip: string) => {
      const n = parseIPv4(ip);
      if (n === undefined || !ips.has(n)) {
        throw wrong(
          name,
          field('spec', 'clusterIPs').invalid(
            [ip],
            `failed to allocate IP ${ip}: the provided network does not match the current range`,
          ),
        );
      }
      if (!ips.take(n))
        throw wrong(
          name,
          field('spec', 'clusterIPs').invalid(
            [ip],
            `failed to allocate IP ${ip}: provided IP is already allocated`,
          ),
        );
      undo.push(() => ips.free(n));
    };
    if (spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
      if (!spec.clusterIP && !spec.clusterIPs?.[0]) {
        const n = ips.any();
        if (n === undefined)
          throw new StatusError(500, 'InternalError', 'failed to allocate a serviceIP: range is full');
        undo.push(() => ips.free(n));
        spec.clusterIP = formatIPv4(n);
      } else {
        spec.clusterIP ||= spec.clusterIPs![0]!;
        if (!before.ips.includes(spec.clusterIP)) takeIp(spec.clusterIP);
      }
      spec.clusterIPs = [spec.clusterIP!];
      spec.ipFamilies ??= ['IPv4'];
      spec.ipFamilyPolicy ??= 'SingleStack';
    } else if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      spec.ipFamilies ??= ['IPv4'];
      spec.ipFamilyPolicy ??= 'SingleStack';
    }
    const needsPorts =
      spec.type === 'NodePort' ||
      (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
    const mine = new Map<string, number>();
    for (const [i, port] of (spec.ports ?? []).entries())
      choosePort(port, i, needsPorts, before.ports, mine, name, undo);
  }

  function choosePort(
    port: ServicePort,
    i: number,
    needed: boolean,
    before: number[],
    mine: Map<string, number>,
    name: string,
    undo: (() => void)[],
  ): void {
    const known = port.nodePort;
    if (known) {
      const shared = [...mine.values()].includes(known) || before.includes(known);
      if (!shared) {
        if (!ports.has(known)) {
          throw wrong(
            name,
            field('spec', 'ports', i, 'nodePort').invalid(
              known,
              `provided port is not in the valid range. The range of valid ports is ${ranges.nodePorts}`,
            ),
          );
        }
        if (!ports.take(known))
          throw wrong(
            name,
            field('spec', 'ports', i, 'nodePort').invalid(known, 'provided port is already allocated'),
          );
        undo.push(() => ports.free(known));
      }
      mine.set(`${port.protocol}/${port.port}`, known);
    } else if (needed) {
      // The same port of another protocol shares its number, as with DNS on TCP and UDP.
      const twin = [...mine].find(
        ([key]) => key.split('/')[1] === String(port.port) && !key.startsWith(`${port.protocol}/`),
      )?.[1];
      const n = twin ?? ports.any();
      if (n === undefined)
        throw new StatusError(500, 'InternalError', 'failed to allocate a nodePort: range is full');
      if (twin === undefined) undo.push(() => ports.free(n));
      port.nodePort = n;
      mine.set(`${port.protocol}/${port.port}`, n);
    }
  }

  function giveBack(service: Service, still: Service | undefined): void {
    const keep = held(still);
    for (const ip of held(service).ips) if (!keep.ips.includes(ip)) ips.free(parseIPv4(ip)!);
    for (const port of held(service).ports) if (!keep.ports.includes(port)) ports.free(port);
  }

  return {
    load() {
      for (const { object } of caches.of(services)?.entries.values() ?? []) {
        const has = held(object as unknown as Service);
        for (const ip of has.ips) ips.take(parseIPv4(ip)!);
        for (const port of has.ports) ports.take(port);
      }
    },
    allocate(context, object: AnyObject, old: AnyObject | undefined) {
      if (!isService(context) || context.subresource) return undefined;
      const undo: (() => void)[] = [];
      const back = () => {
        for (const step of undo.splice(0)) step();
      };
      const service = object as unknown as Service;
      const was = old as unknown as Service | undefined;
      try {
        if (was) keepOrDrop(service, was);
        allocate(service, was, undo);
      } catch (error) {
        back();
        throw error;
      }
      return back;
    },
    committed(context, object: AnyObject, old: AnyObject) {
      if (isService(context)) giveBack(old as unknown as Service, object as unknown as Service);
    },
    release(context, object: AnyObject) {
      if (isService(context)) giveBack(object as unknown as Service, undefined);
    },
  };
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
