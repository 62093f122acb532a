import type { FieldError } from '../../machinery/status.ts';
import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { approvalErrors, definitionErrors, rulesErrors } from './definition-validation.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionSpec } from './v1.gen.ts';

/** Held by every definition until the objects that it defines are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True') ?? false;

function holdForCleanup(crd: CustomResourceDefinition): void {
  const finalizers = crd.metadata.finalizers ?? [];
  if (!finalizers.includes(CLEANUP_FINALIZER)) crd.metadata.finalizers = [...finalizers, CLEANUP_FINALIZER];
}

/** The version that objects are stored in is among those that they may be stored in. */
function noteStorageVersion(crd: CustomResourceDefinition): void {
  const stored = crd.status?.storedVersions ?? [];
  const version = crd.spec.versions?.find(({ storage }) => storage)?.name;
  if (version && !stored.includes(version))
    crd.status = { ...crd.status, storedVersions: [...stored, version] };
}

function changeErrors(crd: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  const spec = field('spec');
  return [
    ...(isEstablished(old)
      ? [
          ...immutable(crd.spec.scope, old.spec.scope, spec.child('scope')),
          ...immutable(crd.spec.names.kind, old.spec.names.kind, spec.child('names', 'kind')),
        ]
      : []),
    ...immutable(crd.spec.group, old.spec.group, spec.child('group')),
    ...immutable(crd.spec.names.plural, old.spec.names.plural, spec.child('names', 'plural')),
    ...(definitionErrors(crd).length ? [] : rulesErrors(crd, old)),
    ...approvalErrors(crd, old),
  ];
}

export const customResourceDefinitions = kind<CustomResourceDefinition>({
  facts: 'apiextensions.k8s.io/v1 CustomResourceDefinition',
  defaults(crd) {
    crd.spec ??= {} as CustomResourceDefinitionSpec;
    const { spec } = crd;
    spec.names ??= {} as CustomResourceDefinitionSpec['names'];
    const { names } = spec;
    if (names.kind) {
      names.singular ||= names.kind.toLowerCase();
      names.listKind ||= `${names.kind}List`;
    }
    spec.conversion ??= { strategy: 'None' };
    const service = spec.conversion.webhook?.clientConfig?.service;
    if (service) service.port ??= 443;
  },
  prepareCreate(crd) {
    crd.status = {};
    holdForCleanup(crd);
    noteStorageVersion(crd);
  },
  prepareUpdate(crd) {
    if (!crd.metadata.deletionTimestamp) holdForCleanup(crd);
    noteStorageVersion(crd);
  },
  validate(crd) {
    const errors = definitionErrors(crd);
    // On an update the rest stands among the errors of the change.
    if (crd.metadata.resourceVersion) return errors;
    return [...errors, ...(errors.length ? [] : rulesErrors(crd)), ...approvalErrors(crd)];
  },
  validateUpdate: changeErrors,
  generation: 'spec',
  unconditionalUpdate: false,
});
