import { isHeadless } from '../../api/core/service.ts';
import { serviceIPErrors } from '../../api/core/service-ips.ts';
import type { Service, ServiceSpec } from '../../api/core/v1.gen.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { type Family, familyOf } from './cluster-ips.ts';

const SPEC = field('spec');
const POLICY = SPEC.child('ipFamilyPolicy');

/**
 * Which families a service gets, and by what policy: what it says, else what it had, else one family. `configured`: those
 * that there are addresses of, the cluster's own first. Changes the service; returns what is wrong with it.
 * Source: "IPv4/IPv6 dual-stack".
 */
export function settleFamilies(
  { spec }: Service,
  old: Service | undefined,
  configured: Family[],
): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const before = old?.spec;
  if (before && isSettled(spec, before)) return [];
  const bare = isHeadless(spec) && !Object.keys(spec.selector ?? {}).length;
  spec.ipFamilyPolicy ??= before?.ipFamilyPolicy ?? (bare ? 'RequireDualStack' : 'SingleStack');
  const wrong = serviceIPErrors(spec);
  if (wrong.length) return wrong;

  const errors = before ? reductions(spec, before) : [];
  const single = spec.ipFamilyPolicy === 'SingleStack';
  const needs = (what: string) =>
    POLICY.invalid(
      spec.ipFamilyPolicy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
    );
  if (single && spec.clusterIPs?.length === 2) errors.push(needs('cluster IPs'));
  if (single && spec.ipFamilies?.length === 2) errors.push(needs('IP families'));
  const families: Family[] = [...((spec.ipFamilies ?? []) as Family[])];
  (spec.clusterIPs ?? []).forEach((ip, i) => {
    if (!ip || ip === 'None' || i < families.length) return;
    const family = familyOf(ip);
    if (configured.includes(family)) families.push(family);
    else
      errors.push(
        SPEC.child('clusterIPs', i).invalid(spec.clusterIPs, `${family} is not configured on this cluster`),
      );
  });
  if (!bare && !errors.length) {
    if (spec.ipFamilyPolicy === 'RequireDualStack' && configured.length < 2)
      errors.push(
        POLICY.invalid(spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'),
      );
    families.forEach((family, i) => {
      if (!configured.includes(family))
        errors.push(SPEC.child('ipFamilies', i).invalid(family, 'not configured on this cluster'));
    });
  }
  if (errors.length) return errors;

  if (!families.length) families.push(configured[0] ?? 'IPv4');
  // Without selector and address, a service promises nothing: it may have both wherever it is.
  if (families.length === 1 && !single && (bare || configured.length === 2))
    families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
  spec.ipFamilies = families;
  return [];
}

/** One that prefers two families keeps what it has when the cluster gets or loses one. */
function isSettled(spec: ServiceSpec, before: ServiceSpec): boolean {
  const same = (a: unknown = [], b: unknown = []) => JSON.stringify(a) === JSON.stringify(b);
  return (
    before.type !== 'ExternalName' &&
    spec.ipFamilyPolicy === 'PreferDualStack' &&
    before.ipFamilyPolicy === 'PreferDualStack' &&
    same(spec.clusterIPs, before.clusterIPs) &&
    same(spec.ipFamilies, before.ipFamilies)
  );
}

/** Says what may not become less, and lets go of the second where one was asked for. */
function reductions(spec: ServiceSpec, before: ServiceSpec): FieldError[] {
  const same = (a: string[] = [], b: string[] = []) => a.length === b.length && a.every((x, i) => x === b[i]);
  const less = (a: string[] = [], b: string[] = []) => b.length === 2 && a.length === 1 && a[0] === b[0];
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (spec.clusterIPs && spec.clusterIPs.length > 1 && same(spec.clusterIPs, before.clusterIPs))
      spec.clusterIPs = spec.clusterIPs.slice(0, 1);
    if (spec.ipFamilies && spec.ipFamilies.length > 1 && same(spec.ipFamilies, before.ipFamilies))
      spec.ipFamilies = spec.ipFamilies.slice(0, 1);
    return [];
  }
  const must = (what: string) =>
    POLICY.invalid(spec.ipFamilyPolicy, `must be 'SingleStack' to release the secondary ${what}`);
  return [
    ...(less(spec.clusterIPs, before.clusterIPs) ? [must('cluster IP')] : []),
    ...(less(spec.ipFamilies, before.ipFamilies) ? [must('IP family')] : []),
  ];
}
