import { sleep } from '../../machinery/clock.ts';
import type { ApiServer } from '../server.ts';

/** How long the store may take to answer. */
const storeMs = 2000;

/** Steps of the start, by upstream's names: monitors and its own tests look for them. */
const hooks = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'priority-and-fairness-filter',
  'storage-object-count-tracker-hook',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'storage-readiness',
  'start-system-namespaces-controller',
  'start-cluster-authentication-info-controller',
  'start-kube-apiserver-identity-lease-controller',
  'start-kube-apiserver-identity-lease-garbage-collector',
  'start-legacy-token-tracking-controller',
  'start-service-ip-repair-controllers',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'priority-and-fairness-config-producer',
  'bootstrap-controller',
  'start-kubernetes-service-cidr-controller',
  'aggregator-reload-proxy-client-cert',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-discovery-controller',
  'kube-apiserver-autoregistration',
];
const lateHooks = ['apiservice-openapi-controller', 'apiservice-openapiv3-controller'];

/** All steps of the start are done before the first is said to be: what is ready can be used. */
export function addChecks(server: ApiServer): void {
  const { health, pending, registry } = server;
  const started = () => (pending.size ? `not finished: ${[...pending].join(', ')}` : undefined);
  const store = async (): Promise<string | undefined> => {
    const late = new AbortController();
    const { clock } = registry;
    try {
      return await Promise.race([
        registry.store.range({ key: '/registry/health', limit: 1 }).then(() => undefined),
        sleep(clock, storeMs, late.signal).then(() => `the store does not answer within ${storeMs} ms`),
      ]);
    } catch (error) {
      return (error as Error).message;
    } finally {
      late.abort(new Error('answered'));
    }
  };
  health.add('ping', () => undefined);
  health.add('log', () => undefined);
  health.add('etcd', store);
  health.add('etcd-readiness', store, ['readyz']);
  health.add('informer-sync', started, ['readyz']);
  for (const name of hooks) health.add(`poststarthook/${name}`, started);
  health.add('autoregister-completion', started);
  for (const name of lateHooks) health.add(`poststarthook/${name}`, started);
  health.add('shutdown', () => (server.phase === 'serving' ? undefined : 'process is shutting down'), [
    'readyz',
  ]);
}
