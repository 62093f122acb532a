import { namespaces } from '../../api/core/namespace.ts';
import { forbidden, notFound, StatusError } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

const immortal = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Nothing is created in a namespace that is not there or is going; some namespaces stay. */
export const namespaceLifecycle = (caches: Caches): AdmissionPlugin => ({
  name: 'NamespaceLifecycle',
  on: ({ context, operation }) =>
    // Who asks for what he may do there is answered.
    (operation === 'CREATE' &&
      context.served.kind.namespaced &&
      context.served.kind.group !== 'authorization.k8s.io') ||
    (operation === 'DELETE' && context.plural === 'namespaces'),
  mutate({ context, object, operation }) {
    if (operation !== 'CREATE') return;
    const name = context.namespace ?? object!.metadata.namespace!;
    const namespace = caches.of(namespaces)?.get(`/registry/namespaces/${name}`)?.object;
    if (!namespace) throw notFound(namespaces, name);
    if (!namespace.metadata.deletionTimestamp) return;
    const { kind } = context.served;
    const why = `unable to create new content in namespace ${name} because it is being terminated`;
    const refused = forbidden(kind, object!.metadata.name ?? '', why);
    throw new StatusError(403, 'Forbidden', refused.message, {
      ...refused.status.details,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${name} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    });
  },
  validate({ context, operation }) {
    if (operation === 'DELETE' && immortal.includes(context.name!) && context.served.kind.group === '') {
      throw forbidden(namespaces, context.name!, 'this namespace may not be deleted');
    }
  },
});
