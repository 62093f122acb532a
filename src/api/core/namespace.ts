import { qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { problems } from '../checks.ts';
import { kind } from '../define.ts';
import type { Namespace } from './v1.gen.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

function finalizersErrors({ spec }: Namespace): FieldError[] {
  return (spec?.finalizers ?? []).flatMap((name) => {
    const at = field('spec', 'finalizers');
    const wrong = problems(qualifiedNameProblems(name), name, at);
    if (!wrong.length && !name.includes('/') && name !== 'kubernetes')
      wrong.push(at.invalid(name, 'name is neither a standard finalizer name nor is it fully qualified'));
    return wrong;
  });
}

function phaseErrors({ metadata, status }: Namespace): FieldError[] {
  const at = field('status', 'Phase');
  if (!metadata.deletionTimestamp && status?.phase !== 'Active')
    return [at.invalid(status?.phase ?? '', "may only be 'Active' if `deletionTimestamp` is empty")];
  if (metadata.deletionTimestamp && status?.phase !== 'Terminating')
    return [at.invalid(status?.phase ?? '', "may only be 'Terminating' if `deletionTimestamp` is not empty")];
  return [];
}

export const namespaces = kind<Namespace>({
  facts: 'v1 Namespace',
  nameFormat: 'label',
  generation: false,
  defaults(namespace) {
    namespace.spec ??= {};
    if (namespace.metadata.name)
      namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: namespace.metadata.name };
    if (namespace.status) namespace.status.phase ||= 'Active';
  },
  prepareCreate(namespace) {
    // On create the status is Active, whatever was sent; the namespace controller takes the finalizer away again.
    namespace.status = { phase: 'Active' };
    const finalizers = new Set(namespace.spec.finalizers);
    finalizers.add('kubernetes');
    namespace.spec.finalizers = [...finalizers];
    if (namespace.metadata.name)
      namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: namespace.metadata.name };
  },
  prepareUpdate(namespace, old) {
    // Only the `finalize` subresource changes the finalizers.
    namespace.spec.finalizers = old.spec?.finalizers;
    if (!namespace.spec.finalizers) delete namespace.spec.finalizers;
  },
  validate: finalizersErrors,
  validateStatus: phaseErrors,
  fieldSelectors: {
    'status.phase': ({ status }) => status?.phase ?? '',
    name: ({ metadata }) => metadata.name ?? '',
  },
  columns: { Status: ({ status }) => status?.phase ?? '' },
});
