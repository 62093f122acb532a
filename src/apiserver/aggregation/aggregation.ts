// Several API servers behind one address. Source: "Kubernetes API Aggregation Layer".
//
// - registration.ts: an APIService for each group version of our own
// - availability.ts: whether the servers of the others can be used
// - remotes.ts, proxy.ts: requests for those are passed on
// - remote-discovery.ts: what they serve becomes part of our discovery
// - authentication-info.ts: what they have to know to believe us
import { apiServices } from '../../api/apiregistration/api-service.ts';
import type { Client } from '../../client/client.ts';
import type { Log } from '../../machinery/log.ts';
import type { ServerMetrics } from '../metrics/server-metrics.ts';
import type { ClientIdentity } from '../outbound/outbound.ts';
import { type ReconcileLoop, reconcileLoop } from '../reconcile.ts';
import type { Registry } from '../registry/registry.ts';
import {
  type AuthenticationInfo,
  followAuthenticationInfo,
  publishAuthenticationInfo,
} from './authentication-info.ts';
import { followAvailability } from './availability.ts';
import { registerServed } from './registration.ts';
import { RemoteDiscovery } from './remote-discovery.ts';
import type { Remotes } from './remotes.ts';

export interface AggregationOptions {
  registry: Registry;
  remotes: Remotes;
  client: Client;
  identity: ClientIdentity | undefined;
  info: AuthenticationInfo;
  log: Log;
  metrics: ServerMetrics;
  /** Called when what other servers serve has changed. */
  onDiscovery(): void;
}

export interface Aggregation {
  discovery: RemoteDiscovery;
  loops: ReconcileLoop[];
  stop(): void;
}

/** Keeps APIServices, their conditions, and what is known of other servers. */
export function startAggregation(options: AggregationOptions): Aggregation {
  const { registry, remotes, client, identity, info, log, onDiscovery } = options;
  const { caches, clock, scheme, outbound } = registry;
  const cache = caches.of(apiServices)!;
  let starting = true;
  const registration = reconcileLoop(
    'APIServices',
    async () => {
      const first = starting;
      starting = false;
      await registerServed(scheme, cache, client, first);
    },
    clock,
    log,
  );
  scheme.onChange(registration.wake);
  const authentication = reconcileLoop(
    'extension-apiserver-authentication',
    () => publishAuthenticationInfo(caches, client, info),
    clock,
    log,
  );
  const discovery = new RemoteDiscovery({ outbound, identity, clock, log, onChange: onDiscovery });
  discovery.follow(remotes.services);
  remotes.onChange(() => {
    registration.wake();
    discovery.follow(remotes.services);
    onDiscovery();
  });
  const stops = [
    followAvailability({
      ...{ caches, remotes, client, outbound, identity, clock, log },
      metrics: options.metrics.registry,
    }),
    ...(info.clientCA || info.requestHeader ? [followAuthenticationInfo(caches, authentication.wake)] : []),
  ];
  return {
    discovery,
    loops: [registration, authentication],
    stop() {
      for (const stop of stops) stop();
      discovery.stop();
      remotes.stop();
    },
  };
}
