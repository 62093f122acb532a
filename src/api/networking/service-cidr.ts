import { field } from '../../machinery/status.ts';
import { cidrErrors, isIPv4 } from '../checks.ts';
import { kind } from '../define.ts';
import { IMMUTABLE } from '../meta.ts';
import type { ServiceCIDR } from './v1.gen.ts';

const CIDRS = field('spec', 'cidrs');

export const serviceCIDRs = kind<ServiceCIDR>({
  facts: 'networking.k8s.io/v1 ServiceCIDR',
  generation: false,
  validate({ spec }) {
    const cidrs = spec?.cidrs ?? [];
    if (!cidrs.length) return [CIDRS.required('at least one CIDR required')];
    if (cidrs.length > 2) return [CIDRS.invalid(cidrs, 'may only hold up to 2 values')];
    const families = cidrs.map((cidr) => isIPv4(cidr.split('/')[0]!));
    return [
      ...(cidrs.length === 2 && families[0] === families[1]
        ? [
            CIDRS.invalid(
              cidrs,
              'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
            ),
          ]
        : []),
      ...cidrs.flatMap((cidr, i) => cidrErrors(cidr, CIDRS.child(i))),
    ];
  },
  // A second range may be added; what is there stays.
  validateUpdate: ({ spec: { cidrs = [] } }, { spec: { cidrs: before = [] } }) =>
    before.flatMap((cidr, i) => (cidrs[i] === cidr ? [] : [CIDRS.child(i).invalid(cidrs[i], IMMUTABLE)])),
  columns: { CIDRs: ({ spec }) => (spec?.cidrs ?? []).join(',') },
});
