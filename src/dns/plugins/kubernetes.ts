import { formatAddress, parseAddress } from '../address.ts';
import { CorefileError, parseCount, unknownWord, zonesOf } from '../corefile.ts';
import { type EndpointView, KubernetesIndex, type PortView, type ServiceView } from '../kubernetes-index.ts';
import {
  classIN,
  type Message,
  type RecordData,
  type ResourceRecord,
  rcodes,
  reply,
  type Srv,
  text,
  types,
} from '../message.ts';
import { absolute, labelsBefore, longestMatch, reverseAddress } from '../name.ts';
import type { Answer, Context, PluginKind, Request } from '../plugin.ts';

/** What there is at a name: records of the type asked for, or none of that type; `absent`: no such name. */
interface Found {
  readonly answers: readonly ResourceRecord[];
  /** Addresses of the targets. */
  readonly additionals?: readonly ResourceRecord[];
  /** Ask for this name's records too, they belong to the answer. */
  readonly follow?: string;
}
const noData: Found = { answers: [] };
type Lookup = Found | 'absent';

const isReverse = (zone: string): boolean => zone.endsWith('in-addr.arpa.') || zone.endsWith('ip6.arpa.');
const addressType = (bytes: Uint8Array): number => (bytes.length === 4 ? types.A : types.AAAA);
/** How far a CNAME is followed through ourselves. */
const maxDepth = 8;

/**
 * `kubernetes`: names of services and pods, by the specification
 * https://github.com/kubernetes/dns/blob/master/docs/specification.md (version 1.1.0):
 *
 *   SERVICE.NS.svc.ZONE                  A, AAAA: its cluster IPs; headless: its ready endpoints. CNAME for ExternalName
 *   _PORT._PROTO.SERVICE.NS.svc.ZONE     SRV (without port and protocol: all of them)
 *   HOSTNAME.SERVICE.NS.svc.ZONE         one endpoint, by hostname or by address with dashes
 *   1-2-3-4.NS.pod.ZONE                  A, when `pods` allows
 *   dns-version.ZONE                     TXT
 *   4.3.2.1.in-addr.arpa                 PTR
 *
 * Corefile: `kubernetes [ZONES...]` with a block of `pods disabled|insecure|verified` (disabled), `ttl SECONDS` (5),
 * `fallthrough [ZONES...]`, `endpoint_pod_names`, `noendpoints`, `namespaces NS...`, `ignore empty_service`.
 */
export const kubernetes: PluginKind = {
  name: 'kubernetes',
  setup({ args, body, line }, context: Context) {
    const { clock, trace } = context;
    const zones = zonesOf(args, context.zones, line);
    const main = zones.find((zone) => !isReverse(zone));
    if (!main) throw new CorefileError(line, 'kubernetes needs a zone that is not a reverse one');
    let podMode = 'disabled';
    let ttl = 5;
    let through: readonly string[] = [];
    let only: Set<string> | undefined;
    const flags = { endpoint_pod_names: false, noendpoints: false, ignore: false };
    for (const each of body) {
      const { words, line } = each;
      const [word = '', value = ''] = words;
      if (word === 'ttl') ttl = parseCount(value, line);
      else if (word === 'fallthrough') through = zonesOf(words.slice(1), zones, line);
      else if (word === 'namespaces') only = new Set(words.slice(1));
      else if (word === 'pods' && ['disabled', 'insecure', 'verified'].includes(value)) podMode = value;
      else if (word === 'ignore' && value === 'empty_service') flags.ignore = true;
      else if (word === 'endpoint_pod_names' || word === 'noendpoints') flags[word] = true;
      else throw unknownWord('kubernetes', each);
    }
    const index = new KubernetesIndex(context.informers, {
      ...{
        podNames: flags.endpoint_pod_names,
        noEndpoints: flags.noendpoints,
        verifyPods: podMode === 'verified',
      },
      onPod(pod, service) {
        const [namespace, name] = service.split('/');
        trace.record({
          ...{ at: clock.now(), step: 8, component: 'dns', event: 'name answers', resource: 'pods' },
          ...{ namespace: pod.namespace, name: pod.name, uid: pod.uid },
          detail: { name: `${name}.${namespace}.svc.${main.slice(0, -1)}` },
        });
      },
    });

    const record = (name: string, type: number, data: RecordData): ResourceRecord => ({
      ...{ name, type, class: classIN, ttl, data },
    });
    const addresses = (name: string, type: number, all: readonly Uint8Array[]): ResourceRecord[] =>
      all.filter((bytes) => addressType(bytes) === type).map((bytes) => record(name, type, bytes));
    const nameOf = ({ name, namespace }: ServiceView, zone: string) => `${name}.${namespace}.svc.${zone}`;
    const isExposed = (namespace: string): boolean =>
      index.hasNamespace(namespace) && (only?.has(namespace) ?? true);
    const visible = (namespace: string, name: string): ServiceView | undefined => {
      const service = only && !only.has(namespace) ? undefined : index.service(namespace, name);
      const isEmpty = service?.externalName === undefined && service?.endpoints.length === 0;
      return flags.ignore && isEmpty ? undefined : service;
    };
    /** A name's records where there is one address each, each once. */
    const hosts = (asked: Request, endpoints: readonly EndpointView[]): ResourceRecord[] => {
      const unique = new Map(endpoints.map(({ address }) => [address.join(), address]));
      return addresses(asked.message.questions[0]!.name, asked.type, [...unique.values()]);
    };

    const srv = (
      request: Request,
      wanted: (port: PortView) => boolean,
      targets: readonly { name: string; ports: readonly PortView[]; addresses: readonly Uint8Array[] }[],
    ): Lookup => {
      const asked = request.message.questions[0]!.name;
      // An endpoint with two addresses is one place: a set of records has none twice.
      const places = new Map<string, Srv>();
      for (const { name, ports } of targets) {
        for (const { port } of ports.filter(wanted))
          places.set(`${port} ${name}`, { priority: 0, weight: 0, port, target: name });
      }
      if (places.size === 0) return 'absent';
      const weight = Math.max(1, Math.floor(100 / places.size));
      return {
        answers: [...places.values()].map((place) => record(asked, types.SRV, { ...place, weight })),
        additionals: targets.flatMap((target) =>
          target.addresses.map((bytes) => record(target.name, addressType(bytes), bytes)),
        ),
      };
    };

    /** SERVICE.NS, with what stands before it. */
    const serviceLookup = (
      request: Request,
      zone: string,
      service: ServiceView,
      before: readonly string[],
    ): Lookup => {
      const { type } = request;
      const asked = request.message.questions[0]!.name;
      const base = nameOf(service, zone);
      if (service.externalName !== undefined) {
        if (before.length > 0) return 'absent';
        const address = parseAddress(service.externalName);
        if (address) return { answers: addresses(asked, type, [address]) };
        const target = absolute(service.externalName);
        const wanted = ([types.A, types.AAAA, types.CNAME] as number[]).includes(type);
        if (!wanted) return noData;
        const answers = [record(asked, types.CNAME, target)];
        return type === types.CNAME ? { answers } : { answers, follow: target };
      }
      const isHeadless = service.clusterIPs.length === 0;
      if (before.length === 1) {
        const named = service.endpoints.filter(({ hostname }) => hostname === before[0]);
        if (named.length === 0) return 'absent';
        if (type !== types.SRV) return { answers: hosts(request, named) };
        const name = `${before[0]}.${base}`;
        return srv(
          request,
          () => true,
          named.map(({ ports, address }) => ({ name, ports, addresses: [address] })),
        );
      }
      const [port, protocol] = before.map((label) => label.slice(1));
      if (before.length === 2 && !before.every((label) => label.startsWith('_'))) return 'absent';
      const wanted = (view: PortView) =>
        before.length === 0 || (view.name === port && view.protocol === protocol);
      const targets = isHeadless
        ? service.endpoints.map(({ hostname, ports, address }) => ({
            name: `${hostname}.${base}`,
            ports,
            addresses: [address],
          }))
        : [{ name: base, ports: service.ports, addresses: service.clusterIPs }];
      if (before.length === 2) {
        const found = srv(request, wanted, targets);
        return found === 'absent' || type === types.SRV ? found : noData;
      }
      // A headless service without endpoints has no records; its name is gone until one is ready.
      if (isHeadless && service.endpoints.length === 0) return 'absent';
      if (type === types.SRV) {
        const found = srv(request, wanted, targets);
        return found === 'absent' ? noData : found;
      }
      return {
        answers: isHeadless ? hosts(request, service.endpoints) : addresses(asked, type, service.clusterIPs),
      };
    };

    const podLookup = (request: Request, [label, ...more]: readonly string[], namespace: string): Lookup => {
      if (podMode === 'disabled' || more.length > 0 || !isExposed(namespace)) return 'absent';
      if (label === undefined) return noData;
      const dotted = label.replaceAll('-', '.');
      const address = parseAddress(dotted) ?? parseAddress(label.replaceAll('-', ':'));
      if (!address || !index.hasPod(namespace, formatAddress(address))) return 'absent';
      return { answers: addresses(request.message.questions[0]!.name, request.type, [address]) };
    };

    const zoneLookup = (request: Request, zone: string): Lookup => {
      const asked = request.message.questions[0]!.name;
      const labels = labelsBefore(request.name, zone);
      const { type } = request;
      const nameserver = index.service('kube-system', 'kube-dns');
      if (labels.length === 0) {
        if (type === types.SOA) return { answers: [soa(zone)] };
        if (type === types.NS) return { answers: [record(asked, types.NS, `ns.dns.${zone}`)] };
        return noData;
      }
      if (request.name === `dns-version.${zone}`)
        return type === types.TXT ? { answers: [record(asked, types.TXT, text('1.1.0'))] } : noData;
      if (request.name === `ns.dns.${zone}` && nameserver)
        return { answers: addresses(asked, type, nameserver.clusterIPs) };
      const kind = labels.pop();
      const namespace = labels.pop();
      if (kind !== 'svc' && kind !== 'pod') return 'absent';
      if (namespace === undefined) return noData;
      if (kind === 'pod') return podLookup(request, labels, namespace);
      const name = labels.pop();
      if (name === undefined) return isExposed(namespace) ? noData : 'absent';
      const service = visible(namespace, name);
      return service && labels.length <= 2 ? serviceLookup(request, zone, service, labels) : 'absent';
    };

    const reverseLookup = (request: Request): Lookup => {
      const asked = request.message.questions[0]!.name;
      const address = reverseAddress(request.name);
      const owners = address
        ? index.at(address).filter(({ service }) => only?.has(service.namespace) ?? true)
        : [];
      if (owners.length === 0) return 'absent';
      if (request.type !== types.PTR) return noData;
      return {
        answers: owners.map(({ service, endpoint }) => {
          const base = nameOf(service, main);
          return record(asked, types.PTR, endpoint ? `${endpoint.hostname}.${base}` : base);
        }),
      };
    };

    const startedAt = Math.floor(clock.now() / 1000);
    const soa = (zone: string): ResourceRecord =>
      record(zone, types.SOA, {
        ...{
          mname: `ns.dns.${zone}`,
          rname: `hostmaster.${zone}`,
          serial: (startedAt + index.changes) >>> 0,
        },
        ...{ refresh: 7200, retry: 1800, expire: 86_400, minimum: ttl },
      });

    const finish = (request: Request, zone: string, found: Lookup): Answer => {
      const { message, type, depth } = request;
      if (found === 'absent')
        return reply(message, { authoritative: true, rcode: rcodes.NXDOMAIN, authorities: [soa(zone)] });
      const { answers, additionals = [], follow } = found;
      const own = reply(message, {
        ...{ authoritative: true, answers, additionals, authorities: answers.length > 0 ? [] : [soa(zone)] },
      });
      if (!follow || depth >= maxDepth) return own;
      return context.resolve(follow, type, depth + 1).then(
        (target): Message => ({ ...own, answers: [...answers, ...target.answers] }),
        () => own,
      );
    };

    return {
      name: 'kubernetes',
      ready: () => index.synced,
      stop: () => index.stop(),
      handle(request, next) {
        const zone = longestMatch(request.name, zones);
        if (!zone) return next(request);
        if (!index.synced) return reply(request.message, { rcode: rcodes.SERVFAIL });
        const found = isReverse(zone) ? reverseLookup(request) : zoneLookup(request, zone);
        if (found === 'absent' && longestMatch(request.name, through)) return next(request);
        return finish(request, zone, found);
      },
    };
  },
};
