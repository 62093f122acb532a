import type { Service } from '../api/core/v1.gen.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import type { Informer } from '../client/client.ts';
import { keyOf } from '../machinery/meta.ts';
import { leavesFlows } from './conntrack.ts';
import {
  type ProxyNode,
  type RoutedPort,
  routeService,
  type ServiceMap,
  serviceKeyOf,
} from './service-map.ts';

/** From what is in the rules to what should be. */
export interface Change {
  readonly before: ServiceMap;
  readonly after: ServiceMap;
  /** Services whose ports differ. */
  readonly services: readonly string[];
  /** All services that were looked at. */
  readonly looked: ReadonlySet<string>;
  /** Whether UDP flows may lead to endpoints that are gone. */
  readonly leavesFlows: boolean;
}

const serviceIndex = 'kube-proxy/service';

/**
 * The service map, kept by looking only at services that something happened to. Ports of which nothing changed keep their
 * identity: that is how a backend knows that their rules are the same.
 */
export class Routes {
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #node: ProxyNode;
  #current: ServiceMap = new Map();
  #dirty = new Set<string>();

  constructor(services: Informer<Service>, slices: Informer<EndpointSlice>, node: ProxyNode) {
    this.#services = services;
    this.#slices = slices;
    this.#node = node;
    slices.index(serviceIndex, (slice) => [serviceKeyOf(slice) ?? []].flat());
  }

  /** Calls `onChange` whenever there is something to look at; returns the function that ends it. */
  follow(onChange: () => void): () => void {
    const touch = (...keys: (string | undefined)[]) => {
      for (const key of keys) if (key) this.#dirty.add(key);
      onChange();
    };
    const offs = [
      this.#services.on({
        add: (service) => touch(keyOf(service)),
        update: (service) => touch(keyOf(service)),
        delete: (service) => touch(keyOf(service)),
      }),
      this.#slices.on({
        add: (slice) => touch(serviceKeyOf(slice)),
        update: (slice, old) => touch(serviceKeyOf(slice), serviceKeyOf(old)),
        delete: (slice) => touch(serviceKeyOf(slice)),
      }),
    ];
    return () => offs.forEach((off) => void off());
  }

  /** True when all services have to be looked at because of it. */
  setNode(node: ProxyNode): boolean {
    if (node.zone === this.#node.zone && node.podCIDR === this.#node.podCIDR) return false;
    this.#node = node;
    for (const service of this.#services.list()) this.#dirty.add(keyOf(service));
    return true;
  }

  /** What there is to do now. Give it back with `commit` or `revert`. */
  take(): Change {
    const looked = this.#dirty;
    this.#dirty = new Set();
    const before = this.#current;
    const after = new Map(before);
    const services: string[] = [];
    let flows = false;
    for (const key of looked) {
      const old = before.get(key) ?? [];
      const ports = this.#route(key, old);
      if (ports.length === old.length && ports.every((routed, i) => routed === old[i])) continue;
      services.push(key);
      flows ||= leavesFlows(old, ports);
      if (ports.length > 0) after.set(key, ports);
      else after.delete(key);
    }
    return { before, after, services, looked, leavesFlows: flows };
  }

  /** It is in the rules. */
  commit({ after }: Change): void {
    this.#current = after;
  }

  /** It is not: the next `take` has it again. */
  revert({ looked }: Change): void {
    for (const key of looked) this.#dirty.add(key);
  }

  #route(key: string, before: readonly RoutedPort[]): RoutedPort[] {
    const service = this.#services.getByKey(key);
    if (!service) return [];
    return routeService(service, this.#slices.byIndex(serviceIndex, key), this.#node).map((routed) => {
      const { name, protocol } = routed.port;
      const known = before.find(({ port }) => port.name === name && port.protocol === protocol);
      return known && JSON.stringify(known) === JSON.stringify(routed) ? known : routed;
    });
  }
}
