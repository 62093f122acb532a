import {
  dns1035LabelProblems,
  dnsSubdomainProblems,
  portProblems,
  qualifiedNameProblems,
} from '../../machinery/names.ts';
import { labelsErrors } from '../../machinery/selectors.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { cidrErrors, ipErrors, oneOf, portOrName, problems, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { serviceIPErrors, serviceIPUpdateErrors } from './service-ips.ts';
import type { Service, ServiceSpec } from './v1.gen.ts';

const SPEC = field('spec');
const AFFINITY_SECONDS = 10_800;

const isBalanced = ({ type }: ServiceSpec): boolean => type === 'LoadBalancer';
const isExternal = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' ||
  spec.type === 'NodePort' ||
  (spec.type === 'ClusterIP' && Boolean(spec.externalIPs?.length));
export const isHeadless = (spec: ServiceSpec): boolean => spec.clusterIP === 'None';

function defaults({ spec, status }: Service): void {
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (
    spec.sessionAffinity === 'ClientIP' &&
    spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined
  )
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (isExternal(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
  if (isBalanced(spec)) {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
  }
}

/** Each address stands in two fields, the older of which holds one only. */
function alignAddresses(spec: ServiceSpec, old?: ServiceSpec): void {
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  // Clients that know only `clusterIP` change or clear it alone.
  const changed = (spec.clusterIP ?? '') !== (old.clusterIP ?? '');
  const listChanged = JSON.stringify(spec.clusterIPs ?? []) !== JSON.stringify(old.clusterIPs ?? []);
  if (changed && !listChanged) {
    if (!spec.clusterIP) delete spec.clusterIPs;
    else spec.clusterIPs = [spec.clusterIP];
  }
}

/** Fields of a type that the service no longer has go, unless the client set them anew. */
function dropOfOldType(spec: ServiceSpec, old: ServiceSpec): void {
  const same = (name: keyof ServiceSpec) => JSON.stringify(spec[name]) === JSON.stringify(old[name]);
  const drop = (...names: (keyof ServiceSpec)[]) => {
    for (const name of names) if (same(name)) delete spec[name];
  };
  if (isBalanced(old) && !isBalanced(spec)) drop('allocateLoadBalancerNodePorts', 'loadBalancerClass');
  if (isExternal(old) && !isExternal(spec)) drop('externalTrafficPolicy');
  const needsCheck = (s: ServiceSpec) => isBalanced(s) && s.externalTrafficPolicy === 'Local';
  if (needsCheck(old) && !needsCheck(spec)) drop('healthCheckNodePort');
  if (old.type !== 'ExternalName' && spec.type === 'ExternalName')
    drop('ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy');
}

function portsErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const ports = spec.ports ?? [];
  if (!ports.length && !isHeadless(spec) && spec.type !== 'ExternalName')
    errors.push(SPEC.child('ports').required());
  const names = new Set<string>();
  const keys = new Set<string>();
  const nodePorts = new Set<string>();
  ports.forEach(({ name, port, protocol, targetPort, nodePort, appProtocol }, i) => {
    const at = SPEC.child('ports', i);
    if (!name) {
      if (ports.length > 1) errors.push(at.child('name').required());
    } else {
      errors.push(...problems(dnsLabel(name), name, at.child('name')));
      if (names.has(name)) errors.push(at.child('name').duplicate(name));
      names.add(name);
    }
    errors.push(...problems(portProblems(port), port, at.child('port')));
    errors.push(...requiredOneOf(protocol, ['SCTP', 'TCP', 'UDP'], at.child('protocol')));
    if (targetPort !== undefined) errors.push(...portOrName(targetPort, at.child('targetPort')));
    if (appProtocol)
      errors.push(...problems(qualifiedNameProblems(appProtocol), appProtocol, at.child('appProtocol')));
    const key = `${protocol}/${port}`;
    if (keys.has(key)) errors.push(at.duplicate({ port, protocol }));
    keys.add(key);
    if (!nodePort) return;
    if (spec.type === 'ClusterIP' || spec.type === 'ExternalName')
      errors.push(at.child('nodePort').forbidden(`may not be used when \`type\` is '${spec.type}'`));
    const nodeKey = `${protocol}/${nodePort}`;
    if (nodePorts.has(nodeKey)) errors.push(at.child('nodePort').duplicate(nodePort));
    nodePorts.add(nodeKey);
  });
  return errors;
}
const dnsLabel = (name: string): string[] =>
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= 63 ? [] : dns1035LabelProblems(name);

function specErrors({ spec }: Service): FieldError[] {
  const errors = portsErrors(spec);
  const { type, externalName = '' } = spec;
  errors.push(
    ...requiredOneOf(type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], SPEC.child('type')),
  );
  if (isHeadless(spec) && (isBalanced(spec) || type === 'NodePort'))
    errors.push(SPEC.child('clusterIPs', 0).invalid('None', `may not be set to 'None' for ${type} services`));
  if (type === 'ExternalName') {
    for (const name of ['clusterIPs', 'ipFamilies'] as const)
      if (spec[name]?.length && !(name === 'clusterIPs' && !spec.clusterIPs![0]))
        errors.push(SPEC.child(name).forbidden('may not be set for ExternalName services'));
    if (spec.ipFamilyPolicy)
      errors.push(SPEC.child('ipFamilyPolicy').forbidden('may not be set for ExternalName services'));
    const target = externalName.replace(/\.$/, '');
    if (!target) errors.push(SPEC.child('externalName').required());
    else errors.push(...problems(dnsSubdomainProblems(target), externalName, SPEC.child('externalName')));
  }
  errors.push(...labelsErrors(spec.selector, SPEC.child('selector')));
  errors.push(...requiredOneOf(spec.sessionAffinity, ['ClientIP', 'None'], SPEC.child('sessionAffinity')));
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (spec.sessionAffinity === 'ClientIP' && seconds !== undefined && (seconds <= 0 || seconds > 86_400))
    errors.push(
      SPEC.child('sessionAffinityConfig', 'clientIP', 'timeoutSeconds').invalid(
        seconds,
        'must be greater than 0 and less than 86400',
      ),
    );
  errors.push(...trafficErrors(spec), ...serviceIPErrors(spec));
  spec.externalIPs?.forEach((ip, i) => {
    const at = SPEC.child('externalIPs', i);
    errors.push(
      ...(/^(127\.|169\.254\.|0\.0\.0\.0$|::1$)/.test(ip)
        ? [at.invalid(ip, 'may not be in the loopback or link-local range')]
        : ipErrors(ip, at)),
    );
  });
  spec.loadBalancerSourceRanges?.forEach((range, i) => {
    if (!isBalanced(spec) && i === 0)
      errors.push(
        SPEC.child('loadBalancerSourceRanges').forbidden("may only be used when `type` is 'LoadBalancer'"),
      );
    errors.push(...cidrErrors(range.trim(), SPEC.child('loadBalancerSourceRanges', i)));
  });
  return errors;
}

function trafficErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const policies = ['Cluster', 'Local'];
  const { externalTrafficPolicy: external, healthCheckNodePort: check } = spec;
  if (!isExternal(spec)) {
    if (external)
      errors.push(
        SPEC.child('externalTrafficPolicy').invalid(
          external,
          'may only be set for externally-accessible services',
        ),
      );
  } else errors.push(...requiredOneOf(external, policies, SPEC.child('externalTrafficPolicy')));
  if (check && !(isBalanced(spec) && external === 'Local'))
    errors.push(
      SPEC.child('healthCheckNodePort').invalid(
        check,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  errors.push(
    ...oneOf(spec.internalTrafficPolicy, policies, SPEC.child('internalTrafficPolicy')),
    ...oneOf(
      spec.trafficDistribution,
      ['PreferClose', 'PreferSameNode', 'PreferSameZone'],
      SPEC.child('trafficDistribution'),
    ),
  );
  if (!isBalanced(spec)) {
    for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const)
      if (spec[name] !== undefined)
        errors.push(SPEC.child(name).forbidden("may only be used when `type` is 'LoadBalancer'"));
  } else if (spec.loadBalancerClass)
    errors.push(
      ...problems(
        qualifiedNameProblems(spec.loadBalancerClass),
        spec.loadBalancerClass,
        SPEC.child('loadBalancerClass'),
      ),
    );
  return errors;
}

function updateErrors({ spec }: Service, { spec: before }: Service): FieldError[] {
  const errors = serviceIPUpdateErrors(spec, before);
  if (isBalanced(spec) && isBalanced(before) && spec.loadBalancerClass !== before.loadBalancerClass)
    errors.push(
      SPEC.child('loadBalancerClass').invalid(spec.loadBalancerClass ?? null, 'may not change once set'),
    );
  if (
    before.healthCheckNodePort &&
    spec.healthCheckNodePort &&
    before.healthCheckNodePort !== spec.healthCheckNodePort
  )
    errors.push(SPEC.child('healthCheckNodePort').forbidden('field is immutable'));
  return errors;
}

function externalAddresses({ spec, status }: Service): string {
  const outer = spec.externalIPs ?? [];
  if (spec.type === 'ExternalName') return spec.externalName ?? '';
  if (spec.type !== 'LoadBalancer') return outer.join(',') || '<none>';
  const given = (status?.loadBalancer?.ingress ?? [])
    .map(({ ip, hostname }) => ip || hostname || '')
    .filter(Boolean);
  return [...given, ...outer].join(',') || '<pending>';
}

export const services = kind<Service>({
  facts: 'v1 Service',
  nameFormat: 'label-1035',
  generation: false,
  defaults(service) {
    service.spec ??= {};
    defaults(service);
  },
  prepareCreate(service) {
    alignAddresses(service.spec);
    service.status = { loadBalancer: {} };
  },
  prepareUpdate(service, old) {
    alignAddresses(service.spec, old.spec);
    dropOfOldType(service.spec, old.spec);
    if (isBalanced(old.spec) && !isBalanced(service.spec))
      service.status = { ...service.status, loadBalancer: {} };
  },
  validate: specErrors,
  validateUpdate: updateErrors,
  fieldSelectors: {
    'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '',
    'spec.type': ({ spec }) => spec.type ?? '',
  },
  columns: {
    Type: ({ spec }) => spec.type ?? '',
    'Cluster-IP': ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || '<none>',
    'External-IP': externalAddresses,
    'Port(s)': ({ spec }) =>
      (spec.ports ?? [])
        .map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`)
        .join(',') || '<none>',
    Selector: ({ spec }) =>
      Object.entries(spec.selector ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(',') || '<none>',
  },
});
