import type { Log } from '../machinery/log.ts';

/** What a load balancer asks a node: does it have endpoints of the service? */
export interface ServiceHealth {
  readonly namespace: string;
  readonly service: string;
  /** The health check node port. */
  readonly port: number;
  readonly localEndpoints: number;
}

export interface HealthServer extends AsyncDisposable {
  /** Answers for these services from now on, and no longer for others. Never rejects: a port in use is only told. */
  update(services: readonly ServiceHealth[]): Promise<void>;
}

/** Made when the proxy starts, with its log. */
export type HealthServerFactory = (log: Log) => HealthServer;

export interface HealthAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** https://kubernetes.io/docs/tutorials/services/source-ip/ : 200 with endpoints on this node, 503 without. */
export function healthAnswer({ namespace, service, localEndpoints }: ServiceHealth): HealthAnswer {
  return {
    status: localEndpoints > 0 ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
    },
    body: JSON.stringify({
      service: { namespace, name: service },
      localEndpoints,
      serviceProxyHealthy: true,
    }),
  };
}
