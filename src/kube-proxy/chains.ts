import type { Endpoint } from './service-map.ts';
import type { ServicePort } from './service-port.ts';
import { base32, sha256 } from './sha256.ts';

/** iptables' limit is 28 characters, and the longest fixed name is EXTERNAL-SERVICES. */
const longestPrefix = 11;

const fixedNames = [
  'SERVICES',
  'EXTERNAL-SERVICES',
  'NODEPORTS',
  'POSTROUTING',
  'MARK-MASQ',
  'FORWARD',
  'FIREWALL',
  'PROXY-FIREWALL',
  'PROXY-CANARY',
] as const;

/**
 * The names of one cluster's chains. With the prefix `KUBE-` they are upstream's own, hashes included, so that either may
 * follow the other on a node: `KUBE-SVC-TCOU7JCQXEZGVUNU`.
 */
export interface Chains {
  readonly services: string;
  readonly externalServices: string;
  readonly nodePorts: string;
  readonly postrouting: string;
  readonly markMasq: string;
  readonly forward: string;
  readonly firewall: string;
  readonly proxyFirewall: string;
  /** Traffic policy Cluster, traffic policy Local, traffic from outside, source ranges of a load balancer. */
  cluster(port: ServicePort): string;
  local(port: ServicePort): string;
  external(port: ServicePort): string;
  sourceRanges(port: ServicePort): string;
  endpoint(port: ServicePort, endpoint: Endpoint): string;
  /** Whether a chain is this cluster's: by its full form, so that a prefix of another prefix does not matter. */
  owns(chain: string): boolean;
}

/** Throws a RangeError for a prefix that would make names too long or break the rules' text. */
export function chainNames(prefix: string): Chains {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(prefix) || prefix.length > longestPrefix) {
    throw new RangeError(
      `chain prefix ${JSON.stringify(prefix)}: letters, digits and '-', at most ${longestPrefix}`,
    );
  }
  const length = Math.min(16, 28 - prefix.length - 'SVC-'.length);
  const hashed = (kind: string, text: string) => `${prefix}${kind}-${base32(sha256(text), length)}`;
  const ofPort = (kind: string) => (port: ServicePort) => hashed(kind, port.name + port.protocol);
  const own = new RegExp(`^${prefix}(${fixedNames.join('|')}|(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{${length}})$`);
  return {
    services: `${prefix}SERVICES`,
    externalServices: `${prefix}EXTERNAL-SERVICES`,
    nodePorts: `${prefix}NODEPORTS`,
    postrouting: `${prefix}POSTROUTING`,
    markMasq: `${prefix}MARK-MASQ`,
    forward: `${prefix}FORWARD`,
    firewall: `${prefix}FIREWALL`,
    proxyFirewall: `${prefix}PROXY-FIREWALL`,
    cluster: ofPort('SVC'),
    local: ofPort('SVL'),
    external: ofPort('EXT'),
    sourceRanges: ofPort('FW'),
    endpoint: (port, { ip, port: number }) => hashed('SEP', `${port.name}${port.protocol}${ip}:${number}`),
    owns: (chain) => own.test(chain),
  };
}
