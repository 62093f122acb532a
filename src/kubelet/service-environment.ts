// Variables that tell a container where services are.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
import type { Service } from '../api/core/v1.gen.ts';

const variable = (name: string): string => name.toUpperCase().replaceAll('-', '_');
const hostPort = (ip: string, port: number): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;

function addService(env: Record<string, string>, { metadata, spec }: Service): void {
  const ip = spec.clusterIP!;
  const prefix = variable(metadata.name!);
  const [first] = spec.ports ?? [];
  if (!first) return;
  env[`${prefix}_SERVICE_HOST`] = ip;
  env[`${prefix}_SERVICE_PORT`] = String(first.port);
  for (const { name, port } of spec.ports!)
    if (name) env[`${prefix}_SERVICE_PORT_${variable(name)}`] = String(port);
  env[`${prefix}_PORT`] = `${(first.protocol ?? 'TCP').toLowerCase()}://${hostPort(ip, first.port)}`;
  for (const { port, protocol = 'TCP' } of spec.ports!) {
    const link = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    env[link] = `${protocol.toLowerCase()}://${hostPort(ip, port)}`;
    env[`${link}_PROTO`] = protocol.toLowerCase();
    env[`${link}_PORT`] = String(port);
    env[`${link}_ADDR`] = ip;
  }
}

/** Of the services of the pod's namespace when `links`, and always of default/kubernetes. */
export function serviceEnvironment(
  services: Service[],
  namespace: string,
  links: boolean,
): Record<string, string> {
  const env: Record<string, string> = {};
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    if (!service.spec.clusterIP || service.spec.clusterIP === 'None') continue;
    if (home === namespace && links) chosen.set(name!, service);
    else if (home === 'default' && name === 'kubernetes' && !chosen.has(name)) chosen.set(name, service);
  }
  for (const service of chosen.values()) addService(env, service);
  return env;
}
