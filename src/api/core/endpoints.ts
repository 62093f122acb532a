import { dnsLabelProblems, dnsSubdomainProblems, portProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { isIP, problems, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import type { EndpointAddress, EndpointPort, Endpoints } from './v1.gen.ts';

/** Addresses that no endpoint may have: they mean something else on every node. */
export function endpointAddressErrors(ip: string, path: FieldPath): FieldError[] {
  if (!isIP(ip)) return [path.invalid(ip, 'must be a valid IP address')];
  if (ip === '0.0.0.0' || ip === '::') return [path.invalid(ip, `may not be unspecified (${ip})`)];
  if (ip.startsWith('127.') || ip === '::1')
    return [path.invalid(ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')];
  if (ip.startsWith('169.254.') || /^fe[89ab]/i.test(ip))
    return [path.invalid(ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)')];
  if (ip.startsWith('224.0.0.') || /^ff.2:/i.test(ip))
    return [path.invalid(ip, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')];
  return [];
}

const addressErrors = ({ ip, hostname, nodeName }: EndpointAddress, path: FieldPath): FieldError[] => [
  ...endpointAddressErrors(ip, path.child('ip')),
  ...(hostname ? problems(dnsLabelProblems(hostname), hostname, path.child('hostname')) : []),
  ...(nodeName ? problems(dnsSubdomainProblems(nodeName), nodeName, path.child('nodeName')) : []),
];

const portErrors = (
  { name, port, protocol }: EndpointPort,
  named: boolean,
  path: FieldPath,
): FieldError[] => [
  ...(named && !name ? [path.child('name').required()] : []),
  ...(name ? problems(dnsLabelProblems(name), name, path.child('name')) : []),
  ...problems(portProblems(port), port, path.child('port')),
  ...requiredOneOf(protocol, ['SCTP', 'TCP', 'UDP'], path.child('protocol')),
];

function subsetsErrors({ subsets = [] }: Endpoints): FieldError[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }, i) => {
    const at = field('subsets', i);
    return [
      ...(addresses.length + notReadyAddresses.length
        ? []
        : [at.required('must specify `addresses` or `notReadyAddresses`')]),
      ...addresses.flatMap((a, j) => addressErrors(a, at.child('addresses', j))),
      ...notReadyAddresses.flatMap((a, j) => addressErrors(a, at.child('notReadyAddresses', j))),
      ...ports.flatMap((p, j) => portErrors(p, ports.length > 1, at.child('ports', j))),
    ];
  });
}

/** `10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 4 more...` */
function list({ subsets = [] }: Endpoints): string {
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length
      ? ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        )
      : addresses.map(({ ip }) => ip),
  );
  if (!all.length) return '<none>';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

export const endpoints = kind<Endpoints>({
  facts: 'v1 Endpoints',
  createOnUpdate: true,
  defaults({ subsets }) {
    for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ||= 'TCP';
  },
  validate: subsetsErrors,
  columns: { Endpoints: list },
});
