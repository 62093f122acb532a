// What the controller manager, the scheduler, kube-proxy and CoreDNS answer at ports of their own, where they are one process:
// for those who look for them there. Asked for with --component-ports.

import { contentType } from '../../apiserver/metrics/paths.ts';
import { Delegated } from '../../client/delegated.ts';
import type { KubeProxy } from '../../kube-proxy/start.ts';
import type { Log } from '../../machinery/log.ts';
import type { ApiService } from '../control-plane.ts';
import type { Certificates } from './certificates.ts';
import {
  type ComponentServer,
  healthPages,
  metricsPages,
  type Pages,
  type Protection,
  proxyPages,
  serveComponent,
} from './component-server.ts';
import { systemClock } from './platform.ts';

export interface ComponentPorts {
  api: ApiService;
  certificates: Certificates;
  log: Log;
  proxy: KubeProxy;
  /** `/metrics/resources` of the scheduler. */
  resources(): string;
}

/** All over loopback: one process tells the same metrics at each. Rejects with a sentence that names the port. */
export async function serveComponentPorts(options: ComponentPorts): Promise<ComponentServer[]> {
  const { api, certificates, log, proxy } = options;
  const { metrics, health } = api.server;
  const shared: Pages = { ...healthPages(health), ...metricsPages(metrics.registry) };
  const proxied = proxyPages(proxy, metrics.registry, proxy.backend.name);
  const resources = { '/metrics/resources': () => ({ type: contentType, body: options.resources() }) };
  const secure = async (name: string): Promise<Protection> => ({
    ...(await certificates.certificate(`${name}-server`, {
      ...{ commonName: name, hosts: ['localhost', '127.0.0.1'] },
    })),
    clientCA: async () => certificates.ca.cert,
    delegated: new Delegated(api.clientFor(`system:${name}`, []), systemClock),
    open: ['/healthz', '/readyz', '/livez'],
  });
  const wanted: { port: number; pages: Pages; protection?: Protection }[] = [
    { port: 10_257, pages: shared, protection: await secure('kube-controller-manager') },
    { port: 10_259, pages: { ...shared, ...resources }, protection: await secure('kube-scheduler') },
    { port: 10_249, pages: proxied.metrics },
    { port: 10_256, pages: proxied.health },
    { port: 9153, pages: metricsPages(metrics.registry) },
  ];
  const servers: ComponentServer[] = [];
  for (const one of wanted) {
    try {
      servers.push(await serveComponent({ ...one, host: '127.0.0.1', log }));
    } catch (error) {
      for (const server of servers) await server[Symbol.asyncDispose]();
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(
        `port ${one.port} of --component-ports cannot be used (${code}): end what uses it, or leave the flag out.`,
        { cause: error },
      );
    }
  }
  return servers;
}
