import { equal } from '../../machinery/meta.ts';
import { dnsLabelProblems, dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { isIPv4, isIPv6, oneOf, problems, requiredOneOf } from '../checks.ts';
import { endpointAddressErrors } from '../core/endpoints.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { EndpointSlice } from './v1.gen.ts';

function endpointsErrors({ endpoints = [], addressType }: EndpointSlice): FieldError[] {
  const all = field('endpoints');
  if (endpoints.length > 1000) return [all.tooMany(endpoints.length, 1000)];
  return endpoints.flatMap(({ addresses = [], nodeName, hostname, hints }, i) => {
    const at = all.child(i);
    const errors: FieldError[] = [];
    if (!addresses.length) errors.push(at.child('addresses').required('must contain at least 1 address'));
    if (addresses.length > 100) errors.push(at.child('addresses').tooMany(addresses.length, 100));
    addresses.forEach((address, j) => {
      const where = at.child('addresses', j);
      if (addressType === 'FQDN') errors.push(...problems(dnsSubdomainProblems(address), address, where));
      else if (addressType === 'IPv4' && !isIPv4(address))
        errors.push(where.invalid(address, 'must be an IPv4 address'));
      else if (addressType === 'IPv6' && !isIPv6(address))
        errors.push(where.invalid(address, 'must be an IPv6 address'));
      else errors.push(...endpointAddressErrors(address, where));
    });
    if (nodeName) errors.push(...problems(dnsSubdomainProblems(nodeName), nodeName, at.child('nodeName')));
    if (hostname) errors.push(...problems(dnsLabelProblems(hostname), hostname, at.child('hostname')));
    if ((hints?.forZones?.length ?? 0) > 8)
      errors.push(at.child('hints', 'forZones').tooMany(hints!.forZones!.length, 8));
    return errors;
  });
}

function portsErrors({ ports = [] }: EndpointSlice): FieldError[] {
  if (ports.length > 20_000) return [field('ports').tooMany(ports.length, 20_000)];
  return ports.flatMap(({ name, protocol }, i) => {
    const at = field('ports', i);
    return [
      ...(name ? problems(dnsLabelProblems(name), name, at.child('name')) : []),
      ...(ports.findIndex((p) => p.name === name) < i ? [at.child('name').duplicate(name ?? '')] : []),
      ...requiredOneOf(protocol, ['SCTP', 'TCP', 'UDP'], at.child('protocol')),
    ];
  });
}

/** `a,b,c + 2 more...` */
function few(list: string[]): string {
  if (!list.length) return '<unset>';
  return list.length > 3 ? `${list.slice(0, 3).join(',')} + ${list.length - 3} more...` : list.join(',');
}

export const endpointSlices = kind<EndpointSlice>({
  facts: 'discovery.k8s.io/v1 EndpointSlice',
  generation: (now, old) =>
    !equal(now.endpoints ?? [], old.endpoints ?? []) ||
    !equal(now.ports ?? [], old.ports ?? []) ||
    !equal(now.metadata.labels ?? {}, old.metadata.labels ?? {}),
  defaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  validate: (slice) => [
    ...(slice.addressType
      ? oneOf(slice.addressType, ['FQDN', 'IPv4', 'IPv6'], field('addressType'))
      : [field('addressType').required()]),
    ...endpointsErrors(slice),
    ...portsErrors(slice),
  ],
  validateUpdate: (now, old) => immutable(now.addressType, old.addressType, field('addressType')),
  columns: {
    AddressType: ({ addressType }) => addressType,
    Ports: ({ ports = [] }) =>
      few(ports.map(({ port, name }) => (port === undefined ? name || '*' : String(port)))),
    Endpoints: ({ endpoints = [] }) => few((endpoints ?? []).flatMap(({ addresses }) => addresses ?? [])),
  },
});
