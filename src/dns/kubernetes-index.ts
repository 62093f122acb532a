import { namespaces } from '../api/core/namespace.ts';
import { pods } from '../api/core/pod.ts';
import { services } from '../api/core/service.ts';
import type { Service } from '../api/core/v1.gen.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import type { Informer, Informers } from '../client/client.ts';
import { keyOf } from '../machinery/meta.ts';
import { formatAddress, parseAddress } from './address.ts';

export interface PortView {
  readonly name: string;
  /** Lowercase. */
  readonly protocol: string;
  readonly port: number;
}

export interface EndpointView {
  readonly address: Uint8Array;
  /** The pod's hostname, its name, or its address with dashes: the first label of the endpoint's own name. */
  readonly hostname: string;
  readonly ports: readonly PortView[];
}

/** A service as DNS sees it. */
export interface ServiceView {
  readonly name: string;
  readonly namespace: string;
  /** Empty for headless services. */
  readonly clusterIPs: readonly Uint8Array[];
  readonly externalName?: string;
  readonly ports: readonly PortView[];
  /** Ready ones. */
  readonly endpoints: readonly EndpointView[];
}

const slicesByService = 'dns/service';
const byAddress = 'dns/address';
const serviceOf = ({ metadata }: EndpointSlice): string | undefined => {
  const name = metadata.labels?.['kubernetes.io/service-name'];
  return name && `${metadata.namespace}/${name}`;
};
const isReady = ({ conditions }: { conditions?: { ready?: boolean } }): boolean => conditions?.ready ?? true;
const portViews = (ports: EndpointSlice['ports']): PortView[] =>
  (ports ?? []).map(({ name, protocol, port }) => ({
    ...{ name: (name ?? '').toLowerCase(), protocol: (protocol ?? 'TCP').toLowerCase(), port: port ?? 0 },
  }));
/** The one text of an address, however it was written. */
const canonical = (text: string): string | undefined => {
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
};

export interface IndexOptions {
  /** Names endpoints without a hostname after their pod. */
  readonly podNames: boolean;
  /** Keeps endpoints out: headless services are empty then. */
  readonly noEndpoints: boolean;
  /** Looks whether a pod with the address exists. */
  readonly verifyPods: boolean;
  /** Called with each pod when the index has an endpoint of it for the first time. */
  onPod?(pod: { namespace?: string; name: string; uid: string }, service: string): void;
}

/** What DNS knows of the cluster, by the informers' caches. A service's view is made when it is asked for, and kept until it changes. */
export class KubernetesIndex {
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #namespaces;
  readonly #pods;
  readonly #options: IndexOptions;
  readonly #views = new Map<string, ServiceView>();
  /** Uid of a pod -> how many slices have it. */
  readonly #podCounts = new Map<string, number>();
  readonly #release: (() => void)[];
  /** Rises with each change: the serial of the zone. */
  changes = 0;

  constructor(informers: Informers, options: IndexOptions) {
    this.#options = options;
    this.#services = informers(services);
    this.#slices = informers(endpointSlices);
    this.#namespaces = informers(namespaces);
    this.#pods = options.verifyPods ? informers(pods) : undefined;
    this.#services.index(byAddress, ({ spec }) =>
      (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).flatMap((ip) => canonical(ip) ?? []),
    );
    this.#slices.index(slicesByService, (slice) => [serviceOf(slice) ?? []].flat());
    this.#slices.index(byAddress, ({ endpoints }) =>
      (endpoints ?? [])
        .filter(isReady)
        .flatMap(({ addresses }) => addresses.flatMap((ip) => canonical(ip) ?? [])),
    );
    this.#pods?.index(byAddress, ({ status }) =>
      (status?.podIPs ?? []).flatMap(({ ip }) => canonical(ip ?? '') ?? []),
    );
    const changed = (key: string | undefined) => {
      this.changes++;
      if (key) this.#views.delete(key);
    };
    const sliceChanged = (slice: EndpointSlice | undefined, old: EndpointSlice | undefined) => {
      for (const each of [slice, old]) if (each) changed(serviceOf(each));
      this.#countPods(slice, old);
    };
    const serviceChanged = (service: Service) => changed(keyOf(service));
    this.#release = [
      this.#services.on({ add: serviceChanged, update: serviceChanged, delete: serviceChanged }),
      this.#slices.on({
        add: (slice) => sliceChanged(slice, undefined),
        update: (slice, old) => sliceChanged(slice, old),
        delete: (slice) => sliceChanged(undefined, slice),
      }),
    ];
  }

  get synced(): boolean {
    return (
      this.#services.synced && this.#slices.synced && this.#namespaces.synced && (this.#pods?.synced ?? true)
    );
  }
  stop(): void {
    for (const off of this.#release) off();
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.get(name) !== undefined;
  }

  service(namespace: string, name: string): ServiceView | undefined {
    const key = `${namespace}/${name}`;
    const known = this.#views.get(key);
    if (known) return known;
    const object = this.#services.getByKey(key);
    if (!object) return undefined;
    const view = this.#view(object, key);
    this.#views.set(key, view);
    return view;
  }

  /** Whether a pod of the namespace has the address; true when pods are not looked at. */
  hasPod(namespace: string, address: string): boolean {
    return (
      this.#pods?.byIndex(byAddress, address).some((pod) => pod.metadata.namespace === namespace) ?? true
    );
  }

  /** Whose address it is: services by cluster IP, else services with an endpoint there. */
  at(bytes: Uint8Array): { service: ServiceView; endpoint?: EndpointView }[] {
    const address = formatAddress(bytes);
    const view = (key: string) => {
      const [namespace, name] = key.split('/') as [string, string];
      return this.service(namespace, name);
    };
    const direct = this.#services.byIndex(byAddress, address).flatMap((object) => view(keyOf(object)) ?? []);
    if (direct.length > 0) return direct.map((service) => ({ service }));
    const keys = new Set(this.#slices.byIndex(byAddress, address).flatMap((slice) => serviceOf(slice) ?? []));
    return [...keys].flatMap((key) => {
      const service = view(key);
      const endpoint = service?.endpoints.find((each) => formatAddress(each.address) === address);
      return service && endpoint ? [{ service, endpoint }] : [];
    });
  }

  #view({ metadata, spec }: Service, key: string): ServiceView {
    const isExternal = spec?.type === 'ExternalName';
    const ips = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
    return {
      name: metadata.name!,
      namespace: metadata.namespace!,
      clusterIPs: isExternal ? [] : ips.flatMap((ip) => parseAddress(ip) ?? []),
      ...(isExternal ? { externalName: spec.externalName ?? '' } : {}),
      ports: portViews(spec?.ports),
      endpoints: isExternal || this.#options.noEndpoints ? [] : this.#endpoints(key),
    };
  }

  #endpoints(key: string): EndpointView[] {
    const found = new Map<string, EndpointView>();
    for (const slice of this.#slices.byIndex(slicesByService, key)) {
      const ports = portViews(slice.ports);
      for (const { addresses, hostname, targetRef, conditions } of slice.endpoints ?? []) {
        if (!isReady({ conditions })) continue;
        for (const text of addresses) {
          const address = parseAddress(text);
          if (!address) continue;
          // A label has at most 63 bytes; a pod's name may be longer.
          const podName =
            this.#options.podNames && targetRef?.name && targetRef.name.length < 64 ? targetRef.name : '';
          const name = hostname || podName || formatAddress(address).replace(/[.:]/g, '-');
          // A pod may be in several slices of the service, with different ports.
          const id = `${name} ${text}`;
          const known = found.get(id);
          found.set(id, {
            address,
            hostname: name.toLowerCase(),
            ports: known ? [...known.ports, ...ports] : ports,
          });
        }
      }
    }
    return [...found.values()];
  }

  #countPods(slice: EndpointSlice | undefined, old: EndpointSlice | undefined): void {
    const podsOf = (each: EndpointSlice | undefined) =>
      (each?.endpoints ?? [])
        .filter(isReady)
        .flatMap(({ targetRef }) =>
          targetRef?.kind === 'Pod' && targetRef.uid
            ? [{ ...targetRef, uid: targetRef.uid, name: targetRef.name ?? '' }]
            : [],
        );
    for (const pod of podsOf(slice)) {
      const count = this.#podCounts.get(pod.uid) ?? 0;
      this.#podCounts.set(pod.uid, count + 1);
      const service = serviceOf(slice!);
      if (count === 0 && service) this.#options.onPod?.(pod, service);
    }
    for (const { uid } of podsOf(old)) {
      const count = (this.#podCounts.get(uid) ?? 1) - 1;
      if (count > 0) this.#podCounts.set(uid, count);
      else this.#podCounts.delete(uid);
    }
  }
}
