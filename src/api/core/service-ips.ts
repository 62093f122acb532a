// The addresses of a service: families, policies, and what may change.
// https://kubernetes.io/docs/concepts/services-networking/dual-stack/
import { equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { isIP, isIPv4, isIPv6, oneOf } from '../checks.ts';
import type { ServiceSpec } from './v1.gen.ts';

const SPEC = field('spec');
const IPS = SPEC.child('clusterIPs');
const FAMILIES = SPEC.child('ipFamilies');

export function serviceIPErrors(spec: ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const errors: FieldError[] = [];
  const { clusterIP = '', clusterIPs: ips = [], ipFamilies: families = [] } = spec;
  if (clusterIP) {
    if (!ips.length) errors.push(IPS.required());
    else if (ips[0] !== clusterIP) errors.push(IPS.invalid(ips, 'first value must match `clusterIP`'));
  } else if (ips.length) errors.push(IPS.invalid(ips, 'must be empty when `clusterIP` is not specified'));
  families.forEach((family, i) => {
    errors.push(...oneOf(family, ['IPv4', 'IPv6'], FAMILIES.child(i)));
    if (families.indexOf(family) < i) errors.push(FAMILIES.child(i).duplicate(family));
  });
  errors.push(
    ...oneOf(
      spec.ipFamilyPolicy,
      ['PreferDualStack', 'RequireDualStack', 'SingleStack'],
      SPEC.child('ipFamilyPolicy'),
    ),
  );
  if (ips.includes('None')) {
    if (ips.length > 1) errors.push(IPS.invalid(ips, "'None' must be the first and only value"));
    return errors;
  }
  if (ips.length > 2) errors.push(IPS.invalid(ips, 'may only hold up to 2 values'));
  ips.forEach((ip, i) => {
    const at = IPS.child(i);
    if (ip && !isIP(ip))
      errors.push(at.invalid(ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'));
    else if (families[i] === 'IPv4' && isIPv6(ip))
      errors.push(at.invalid(ip, `expected an IPv4 value as indicated by \`ipFamilies[${i}]\``));
    else if (families[i] === 'IPv6' && isIPv4(ip))
      errors.push(at.invalid(ip, `expected an IPv6 value as indicated by \`ipFamilies[${i}]\``));
  });
  if (ips.length === 2 && isIPv4(ips[0]!) === isIPv4(ips[1]!))
    errors.push(IPS.invalid(ips, 'may specify no more than one IP for each IP family'));
  return errors;
}

/** The first address and family stay for as long as the service has one; a second may come and go. */
export function serviceIPUpdateErrors(spec: ServiceSpec, before: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.type === 'ExternalName' || before.type === 'ExternalName') return errors;
  const { clusterIPs: now = [], ipFamilies: families = [] } = spec;
  const { clusterIPs: old = [], ipFamilies: oldFamilies = [] } = before;
  if (old[0] && now[0] !== old[0])
    errors.push(
      IPS.child(0).invalid(
        now,
        now.length ? 'may not change once set' : 'primary clusterIP can not be unset',
      ),
    );
  else if (old.length === 2 && now.length === 1 && spec.ipFamilyPolicy !== 'SingleStack')
    errors.push(
      SPEC.child('ipFamilyPolicy').invalid(
        spec.ipFamilyPolicy,
        "must be set to 'SingleStack' when releasing the secondary clusterIP",
      ),
    );
  else if (old.length === 2 && now.length === 2 && !equal(now, old))
    errors.push(IPS.child(1).invalid(now, 'may not change once set'));
  if (oldFamilies[0] && families[0] !== oldFamilies[0])
    errors.push(
      FAMILIES.child(0).invalid(
        families,
        families.length ? 'may not change once set' : 'primary ipFamily can not be unset',
      ),
    );
  return errors;
}
