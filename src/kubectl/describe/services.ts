import { isStatusError } from '../../machinery/status.ts';
import { endpointSlices, services } from '../resources.ts';
import { conditionTable } from './conditions.ts';
import { begin, type Describer, type DescribeTools, describeEvents, listAll } from './describer.ts';
import { pairsText } from './description.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const shownEndpoints = 3;

const slicesOf = (tools: DescribeTools, namespace: string, service: string): Promise<any[]> =>
  listAll(tools, endpointSlices, namespace, { labelSelector: `${serviceNameLabel}=${service}` });

const hostPort = (host: string, port: unknown): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** The first addresses of a port that are ready: `10.0.0.1:80,10.0.0.2:80 + 3 more...`. */
function endpointsText(slices: any[], portName: string): string {
  if (!slices.length) return '<none>';
  const found: string[] = [];
  for (const { ports = [], endpoints = [] } of slices) {
    const ready = endpoints.filter((e: any) => e.conditions?.ready !== false).map((e: any) => e.addresses[0]);
    if (!ports?.length) found.push(...ready);
    else
      for (const port of ports)
        if ((port.name ?? '') === portName)
          found.push(...ready.map((address: string) => hostPort(address, port.port)));
  }
  const text = found.slice(0, shownEndpoints).join(',');
  return found.length > shownEndpoints ? `${text} + ${found.length - shownEndpoints} more...` : text;
}

export const describeService: Describer = async (d, service, tools) => {
  const { metadata, spec, status = {} } = service;
  const slices = await slicesOf(tools, metadata.namespace, metadata.name);
  begin(d, service);
  d.field('Selector', pairsText(spec.selector));
  d.field('Type', spec.type ?? '');
  if (spec.ipFamilyPolicy) d.field('IP Family Policy', spec.ipFamilyPolicy);
  d.field('IP Families', spec.ipFamilies?.join(',') || '<none>');
  d.field('IP', spec.clusterIP ?? '');
  d.field('IPs', spec.clusterIPs?.join(',') || '<none>');
  if (spec.externalIPs?.length) d.field('External IPs', spec.externalIPs.join(','));
  if (spec.loadBalancerIP) d.field('Desired LoadBalancer IP', spec.loadBalancerIP);
  if (spec.externalName) d.field('External Name', spec.externalName);
  const ingress: any[] = status.loadBalancer?.ingress ?? [];
  if (ingress.length)
    d.field(
      'LoadBalancer Ingress',
      ingress
        .map(({ ip, ipMode, hostname = '' }) => (ip ? `${ip}${ipMode ? ` (${ipMode})` : ''}` : hostname))
        .join(', '),
    );
  for (const port of spec.ports ?? []) {
    const name = port.name || '<unset>';
    d.field('Port', `${name}\t${port.port}/${port.protocol}`);
    d.field('TargetPort', `${port.targetPort}/${port.protocol}`);
    if (port.appProtocol) d.field('AppProtocol', port.appProtocol);
    if (port.nodePort) d.field('NodePort', `${name}\t${port.nodePort}/${port.protocol}`);
    d.field('Endpoints', endpointsText(slices, port.name ?? ''));
  }
  d.field('Session Affinity', spec.sessionAffinity ?? '');
  if (spec.externalTrafficPolicy) d.field('External Traffic Policy', spec.externalTrafficPolicy);
  if (spec.internalTrafficPolicy) d.field('Internal Traffic Policy', spec.internalTrafficPolicy);
  if (spec.healthCheckNodePort) d.field('HealthCheck NodePort', spec.healthCheckNodePort);
  if (spec.loadBalancerSourceRanges?.length)
    d.field('LoadBalancer Source Ranges', spec.loadBalancerSourceRanges.join(','));
  if (spec.trafficDistribution) d.field('Traffic Distribution', spec.trafficDistribution);
  await describeEvents(d, service, tools);
};

export const describeEndpoints: Describer = async (d, endpoints, tools) => {
  begin(d, endpoints);
  d.line(0, 'Subsets:');
  const addresses = (list: any[] | undefined): string =>
    (list ?? []).map(({ ip }) => ip).join(',') || '<none>';
  for (const subset of endpoints.subsets ?? []) {
    d.field('Addresses', addresses(subset.addresses), 1);
    d.field('NotReadyAddresses', addresses(subset.notReadyAddresses), 1);
    if (subset.ports?.length) {
      d.line(1, 'Ports:');
      d.table(
        2,
        ['Name', 'Port', 'Protocol'],
        subset.ports.map(({ name, port, protocol }: any) => [name || '<unset>', port, protocol ?? '']),
      );
    }
    d.line(0, '');
  }
  await describeEvents(d, endpoints, tools);
};

export const describeEndpointSlice: Describer = async (d, slice, tools) => {
  begin(d, slice);
  d.field('AddressType', slice.addressType);
  if (!slice.ports?.length) d.line(0, 'Ports: <unset>');
  else {
    d.line(0, 'Ports:');
    d.table(
      1,
      ['Name', 'Port', 'Protocol'],
      slice.ports.map(({ name, port, protocol }: any) => [
        name || '<unset>',
        port ?? '<unset>',
        protocol ?? '',
      ]),
    );
  }
  if (!slice.endpoints?.length) d.line(0, 'Endpoints: <none>');
  else {
    d.line(0, 'Endpoints:');
    for (const { addresses, conditions = {}, hostname, targetRef, nodeName, zone } of slice.endpoints) {
      d.field('- Addresses', addresses.join(', ') || '<none>', 1);
      d.line(2, 'Conditions:');
      d.field('Ready', conditions.ready ?? '<unset>', 3);
      d.field('Hostname', hostname ?? '<unset>', 2);
      if (targetRef) d.field('TargetRef', `${targetRef.kind}/${targetRef.name}`, 2);
      d.field('NodeName', nodeName ?? '<unset>', 2);
      d.field('Zone', zone ?? '<unset>', 2);
    }
  }
  await describeEvents(d, slice, tools);
};

export const describeIngress: Describer = async (d, ingress, tools) => {
  const { metadata, spec, status = {} } = ingress;
  d.field('Name', metadata.name);
  d.labels('Labels', metadata.labels);
  d.field('Namespace', metadata.namespace);
  const addresses = (status.loadBalancer?.ingress ?? []).map(({ ip, hostname = '' }: any) => ip || hostname);
  d.field('Address', [...new Set(addresses.filter(Boolean))].sort().join(','));
  d.field('Ingress Class', spec.ingressClassName ?? '<none>');
  const fallback = spec.defaultBackend
    ? await backendText(spec.defaultBackend, metadata.namespace, tools)
    : '<default>';
  d.field('Default backend', fallback);
  if (spec.tls?.length) {
    d.line(0, 'TLS:');
    for (const { secretName, hosts = [] } of spec.tls)
      d.line(1, secretName ? `${secretName} terminates ${hosts.join(',')}` : `SNI routes ${hosts.join(',')}`);
  }
  d.raw('Rules:\n  Host\tPath\tBackends\n');
  d.line(1, '----\t----\t--------');
  const rules = (spec.rules ?? []).filter((rule: any) => rule.http);
  for (const { host, http } of rules) {
    d.line(1, `${host || '*'}\t`);
    for (const { path = '', backend } of http.paths)
      d.line(2, `\t${path} \t${await backendText(backend, metadata.namespace, tools)}`);
  }
  if (!rules.length) d.line(1, `*\t*\t${fallback}`);
  d.annotations('Annotations', metadata.annotations);
  await describeEvents(d, ingress, tools);
};

async function backendText(
  { service, resource }: any,
  namespace: string,
  tools: DescribeTools,
): Promise<string> {
  if (service) {
    const text = `${service.name}:${service.port?.number || service.port?.name || ''}`;
    try {
      const slices = await slicesOf(tools, namespace, service.name);
      const { spec } = await tools.kube.get({ resource: services, namespace, name: service.name });
      const port = (spec.ports ?? []).find((p: any) =>
        service.port?.number ? p.port === service.port.number : p.name === service.port?.name,
      );
      return `${text} (${endpointsText(slices, port?.name ?? '')})`;
    } catch (error) {
      if (!isStatusError(error)) throw error;
      return `${text} (<error: ${error.message}>)`;
    }
  }
  if (resource)
    return `APIGroup: ${resource.apiGroup ?? '<none>'}, Kind: ${resource.kind}, Name: ${resource.name}`;
  return '';
}

export const describeIngressClass: Describer = async (d, ingressClass, tools) => {
  begin(d, ingressClass, { namespace: false });
  d.field('Controller', ingressClass.spec?.controller ?? '');
  const parameters = ingressClass.spec?.parameters;
  if (parameters) {
    d.line(0, 'Parameters:');
    if (parameters.apiGroup) d.field('APIGroup', parameters.apiGroup, 1);
    d.field('Kind', parameters.kind, 1);
    d.field('Name', parameters.name, 1);
  }
  await describeEvents(d, ingressClass, tools);
};

export const describeServiceCidr: Describer = async (d, cidr, tools) => {
  begin(d, cidr, { namespace: false });
  d.field('CIDRs', (cidr.spec?.cidrs ?? []).join(', '));
  conditionTable(d, cidr.status?.conditions, 'Status:\n');
  await describeEvents(d, cidr, tools);
};

export const describeIpAddress: Describer = async (d, address, tools) => {
  begin(d, address, { namespace: false });
  const parent = address.spec?.parentRef;
  if (parent) {
    d.line(0, 'Parent Reference:');
    d.field('Group', parent.group ?? '', 1);
    d.field('Resource', parent.resource, 1);
    d.field('Namespace', parent.namespace ?? '', 1);
    d.field('Name', parent.name, 1);
  }
  await describeEvents(d, address, tools);
};
