import { portNameProblems, portProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { cidrErrors, isCIDR, isStrictlyWithin, oneOf, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { selectorText } from '../workload-columns.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from './v1.gen.ts';

const SPEC = field('spec');

function portErrors({ protocol, port, endPort }: NetworkPolicyPort, path: FieldPath): FieldError[] {
  const errors = oneOf(protocol, ['TCP', 'UDP', 'SCTP'], path.child('protocol'));
  if (typeof port === 'number') {
    errors.push(...problems(portProblems(port), port, path.child('port')));
    if (endPort === undefined) return errors;
    if (endPort < port)
      errors.push(path.child('endPort').invalid(port, 'must be greater than or equal to `port`'));
    errors.push(...problems(portProblems(endPort), endPort, path.child('endPort')));
  } else if (port !== undefined) {
    if (endPort !== undefined)
      errors.push(path.child('endPort').invalid(endPort, 'may not be specified when `port` is non-numeric'));
    errors.push(...problems(portNameProblems(port), port, path.child('port')));
  } else if (endPort !== undefined)
    errors.push(path.child('endPort').invalid(endPort, 'may not be specified when `port` is not specified'));
  return errors;
}

function blockErrors({ cidr, except = [] }: IPBlock, path: FieldPath): FieldError[] {
  if (!cidr) return [path.child('cidr').required()];
  const errors = cidrErrors(cidr, path.child('cidr'));
  except.forEach((inner, i) => {
    const at = path.child('except', i);
    errors.push(...cidrErrors(inner, at));
    if (isCIDR(inner) && isCIDR(cidr) && !isStrictlyWithin(inner, cidr))
      errors.push(at.invalid(inner, 'must be a strict subset of `cidr`'));
  });
  return errors;
}

function peerErrors(peer: NetworkPolicyPeer, path: FieldPath): FieldError[] {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  const errors = [
    ...labelSelectorErrors(podSelector, path.child('podSelector')),
    ...labelSelectorErrors(namespaceSelector, path.child('namespaceSelector')),
    ...(ipBlock ? blockErrors(ipBlock, path.child('ipBlock')) : []),
  ];
  if (!ipBlock && !podSelector && !namespaceSelector) errors.push(path.required('must specify a peer'));
  else if (ipBlock && (podSelector || namespaceSelector))
    errors.push(path.forbidden('may not specify both ipBlock and another peer'));
  return errors;
}

function specErrors({ spec }: NetworkPolicy): FieldError[] {
  const errors = labelSelectorErrors(spec.podSelector, SPEC.child('podSelector'));
  for (const [direction, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const)
    spec[direction]?.forEach((rule, i) => {
      const at = SPEC.child(direction, i);
      errors.push(...(rule.ports ?? []).flatMap((port, j) => portErrors(port, at.child('ports', j))));
      const list: NetworkPolicyPeer[] = (rule as any)[peers] ?? [];
      errors.push(...list.flatMap((peer, j) => peerErrors(peer, at.child(peers, j))));
    });
  const types = spec.policyTypes ?? [];
  if (types.length > 2)
    errors.push(SPEC.child('policyTypes').invalid(types, 'may not specify more than two policyTypes'));
  else
    errors.push(
      ...types.flatMap((type, i) => oneOf(type, ['Ingress', 'Egress'], SPEC.child('policyTypes', i))),
    );
  return errors;
}

export const networkPolicies = kind<NetworkPolicy>({
  facts: 'networking.k8s.io/v1 NetworkPolicy',
  generation: 'spec',
  defaults(policy) {
    const spec = (policy.spec ??= {} as NetworkPolicy['spec']);
    spec.podSelector ??= {};
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
    if (!spec.policyTypes?.length)
      spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  validate: specErrors,
  columns: { 'Pod-Selector': ({ spec }) => selectorText(spec?.podSelector) },
});
