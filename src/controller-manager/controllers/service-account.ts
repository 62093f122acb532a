import { namespaces } from '../../api/core/namespace.ts';
import { serviceAccounts } from '../../api/core/service-account.ts';
import type { Namespace, ServiceAccount } from '../../api/core/v1.gen.ts';
import { isAlreadyExists } from '../../machinery/status.ts';
import { create } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';

/** Every namespace has a `default` service account. */
export const serviceAccountController = controller<Namespace, ServiceAccount | undefined>({
  name: 'serviceaccount',
  component: 'service-account-controller',
  for: namespaces,
  watches: [
    watch(serviceAccounts, ({ metadata }, _cache, { type }) =>
      type === 'delete' && metadata.name === 'default' ? [metadata.namespace!] : [],
    ),
  ],
  observe: (namespace, cache) => cache.of(serviceAccounts).get('default', namespace.metadata.name),
  reconcile({ metadata, status }, existing) {
    if (existing || metadata.deletionTimestamp || status?.phase === 'Terminating') return [];
    const account = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: metadata.name },
    };
    return [create(serviceAccounts, account, { tolerates: isAlreadyExists })];
  },
});
