import { equal } from '../../machinery/meta.ts';
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { duplicates, ipErrors, isIPv4, isIPv6, oneOf, problems, requiredOneOf } from '../checks.ts';
import { endpointAddressErrors } from '../core/endpoints.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { EndpointHints, EndpointSlice } from './v1.gen.ts';

const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_HINTS = 8;

function addressErrors(address: string, type: string, all: FieldPath, at: FieldPath): FieldError[] {
  if (type === 'FQDN') {
    const name = address.replace(/\.$/, '');
    if (!name) return [at.required()];
    const wrong = problems(dnsSubdomainProblems(name), address, at);
    return wrong.length || name.includes('.')
      ? wrong
      : [at.invalid(address, 'should be a domain with at least two segments separated by dots')];
  }
  const ofFamily = type === 'IPv4' ? isIPv4 : type === 'IPv6' ? isIPv6 : undefined;
  if (!ofFamily) return [];
  const wrong = ipErrors(address, at);
  if (wrong.length) return wrong;
  return [
    ...(ofFamily(address) ? [] : [all.invalid(address, `must be an ${type} address`)]),
    ...endpointAddressErrors(address, at),
  ];
}

function hintsErrors({ forZones = [], forNodes = [] }: EndpointHints, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, list, find] of [
    ['forZones', forZones, labelValueProblems],
    ['forNodes', forNodes, dnsSubdomainProblems],
  ] as const) {
    const at = path.child(name);
    if (list.length > MAX_HINTS) errors.push(at.tooMany(list.length, MAX_HINTS));
    else
      errors.push(
        ...duplicates(
          list,
          (hint) => hint.name,
          (i) => at.child(i, 'name'),
        ),
        ...list.flatMap((hint, i) => problems(find(hint.name), hint.name, at.child(i, 'name'))),
      );
  }
  return errors;
}

function endpointsErrors({ endpoints, addressType }: EndpointSlice): FieldError[] {
  const all = field('endpoints');
  const list = endpoints ?? [];
  if (list.length > MAX_ENDPOINTS) return [all.tooMany(list.length, MAX_ENDPOINTS)];
  return list.flatMap((endpoint, i) => {
    const at = all.child(i);
    const where = at.child('addresses');
    const { addresses, nodeName, hostname, hints } = endpoint;
    const errors: FieldError[] = [];
    if (!addresses?.length) errors.push(where.required('must contain at least 1 address'));
    else if (addresses.length > MAX_ADDRESSES) errors.push(where.tooMany(addresses.length, MAX_ADDRESSES));
    addresses?.forEach((address, j) => {
      errors.push(...addressErrors(address, addressType, where, where.child(j)));
    });
    if (nodeName !== undefined)
      errors.push(...problems(dnsSubdomainProblems(nodeName), nodeName, at.child('nodeName')));
    if (hostname !== undefined)
      errors.push(...problems(dnsLabelProblems(hostname), hostname, at.child('hostname')));
    return hints ? [...errors, ...hintsErrors(hints, at.child('hints'))] : errors;
  });
}

function portsErrors(slice: EndpointSlice): FieldError[] {
  const all = field('ports');
  const ports = slice.ports ?? [];
  if (ports.length > MAX_PORTS) return [all.tooMany(ports.length, MAX_PORTS)];
  return [
    ...ports.flatMap(({ name, protocol, appProtocol }, i) => [
      ...(name ? problems(dnsLabelProblems(name), name, all.child(i, 'name')) : []),
      ...requiredOneOf(protocol, ['SCTP', 'TCP', 'UDP'], all.child(i, 'protocol')),
      ...(appProtocol === undefined
        ? []
        : problems(qualifiedNameProblems(appProtocol), appProtocol, all.child(i, 'appProtocol'))),
    ]),
    ...duplicates(
      ports,
      ({ name }) => name ?? '',
      (i) => all.child(i, 'name'),
    ),
  ];
}

/** An older field that this version only reads. */
function dropTopology(slice: EndpointSlice, old?: EndpointSlice): void {
  if (old && equal(slice.endpoints ?? [], old.endpoints ?? [])) return;
  for (const endpoint of slice.endpoints ?? []) delete endpoint.deprecatedTopology;
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
    now.addressType !== old.addressType ||
    !equal(now.metadata.labels ?? {}, old.metadata.labels ?? {}),
  defaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  prepareCreate: (slice) => dropTopology(slice),
  prepareUpdate: (slice, old) => dropTopology(slice, old),
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
      few((ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port)))),
    Endpoints: ({ endpoints = [] }) => few((endpoints ?? []).flatMap(({ addresses }) => addresses ?? [])),
  },
});
