import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import type { ConfigMap, Namespace } from '../../api/core/v1.gen.ts';
import { equal } from '../../machinery/meta.ts';
import { isAlreadyExists } from '../../machinery/status.ts';
import { create, update } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';

const name = 'kube-root-ca.crt';
const annotations = {
  'kubernetes.io/description':
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the ' +
    'internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
};

/** Every namespace has the CA by which its pods know the API server. */
export const rootCAPublisher = controller<Namespace, ConfigMap | undefined>({
  name: 'root-ca-certificate-publisher',
  component: 'root-ca-cert-publisher',
  for: namespaces,
  watches: [
    watch(configMaps, ({ metadata }, _cache, { type }) =>
      metadata.name === name && type !== 'add' ? [metadata.namespace!] : [],
    ),
  ],
  observe: (namespace, cache) => cache.of(configMaps).get(name, namespace.metadata.name),
  reconcile({ metadata, status }, existing, _nowMs, { config }) {
    if (!config.rootCA || metadata.deletionTimestamp || status?.phase === 'Terminating') return [];
    const data = { 'ca.crt': config.rootCA };
    if (!existing) {
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: metadata.name, annotations },
        data,
      };
      return [create(configMaps, object, { tolerates: isAlreadyExists })];
    }
    if (equal(existing.data, data)) return [];
    return [update(configMaps, { ...existing, data, metadata: { ...existing.metadata, annotations } })];
  },
});
