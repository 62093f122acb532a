import type { Service } from '../api/core/v1.gen.ts';
import { isAddress, parseRange } from './addresses.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** One port of one service: what traffic comes in for, and how it is to be shared out. IPv4 only. */
export interface ServicePort {
  /** `namespace/name:port`, or `namespace/name` where the port has no name. */
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly clusterIP: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIPs: readonly string[];
  /** Those that are to be caught on the node: `ipMode: Proxy` is not. */
  readonly loadBalancerIPs: readonly string[];
  /** Empty: from everywhere. */
  readonly sourceRanges: readonly string[];
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
  /** Traffic from within the cluster, or from outside, goes to endpoints of this node only. */
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** 0: none. */
  readonly healthCheckNodePort: number;
}

/** Services with this label are some other proxy's. */
const otherProxyLabel = 'service.kubernetes.io/service-proxy-name';
const protocols: Record<string, Protocol> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

export const isExternallyReachable = (port: ServicePort): boolean =>
  port.nodePort > 0 || port.externalIPs.length > 0 || port.loadBalancerIPs.length > 0;

/**
 * The ports of a service that kube-proxy serves: none for headless services, ExternalName, and those of another proxy.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
export function servicePorts({ metadata, spec, status }: Service): ServicePort[] {
  if (!spec || spec.type === 'ExternalName' || metadata.labels?.[otherProxyLabel] !== undefined) return [];
  const clusterIP = [spec.clusterIP, ...(spec.clusterIPs ?? [])].find(isAddress);
  if (!clusterIP) return [];

  const namespace = metadata.namespace!;
  const service = metadata.name!;
  const externalIPs = (spec.externalIPs ?? []).filter(isAddress);
  const fromOutside = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || externalIPs.length > 0;
  const externalLocal = fromOutside && spec.externalTrafficPolicy === 'Local';
  const ingress = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [];
  const loadBalancerIPs = ingress
    .filter(({ ipMode }) => (ipMode ?? 'VIP') === 'VIP')
    .map(({ ip }) => ip)
    .filter(isAddress);
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((range) => range.trim());
  const affinity = spec.sessionAffinity === 'ClientIP';

  return (spec.ports ?? []).flatMap((port): ServicePort[] => {
    const protocol = protocols[port.protocol ?? 'TCP'];
    if (!protocol || !port.port) return [];
    return [
      {
        name: `${namespace}/${service}${port.name ? `:${port.name}` : ''}`,
        namespace,
        service,
        portName: port.name ?? '',
        protocol,
        clusterIP,
        port: port.port,
        nodePort: port.nodePort ?? 0,
        externalIPs,
        loadBalancerIPs,
        sourceRanges: ranges.some((range) => range.endsWith('/0')) ? [] : ranges.filter(parseRange),
        affinitySeconds: affinity ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0,
        internalLocal: spec.internalTrafficPolicy === 'Local',
        externalLocal,
        healthCheckNodePort: externalLocal ? (spec.healthCheckNodePort ?? 0) : 0,
      },
    ];
  });
}
