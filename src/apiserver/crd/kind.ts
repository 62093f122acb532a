import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/apiextensions/v1.gen.ts';
import type { JSONSchema } from '../../machinery/apply/openapi-schema.ts';
import type { Kind } from '../../machinery/kind.ts';
import { type AnyObject, equal } from '../../machinery/meta.ts';
import { type FieldError, FieldPath } from '../../machinery/status.ts';
import type { CustomSchema } from '../../machinery/structural/custom-schema.ts';
import { columnsOf } from './columns.ts';
import { embeddedErrors, hasEmbedded } from './embedded.ts';
import { evaluatePath } from './path.ts';

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];

/** A change of the definition makes new types: what is known of the old ones is never asked again. */
export const typeIdOf = (crd: CustomResourceDefinition, version: string): string =>
  `custom:${crd.metadata.name}/${version}@${crd.metadata.uid}.${crd.metadata.generation}`;

/** The kind that a version of a definition stands for. */
export function kindFrom(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  schema: CustomSchema,
): Kind {
  const { names, group, scope } = crd.spec;
  const subresources: Kind['subresources'] = {};
  if (version.subresources?.status)
    subresources.status = { kind: `//${names.kind}`, verbs: ['get', 'patch', 'update'] };
  const { scale } = version.subresources ?? {};
  const openAPI = version.schema?.openAPIV3Schema as JSONSchema | undefined;
  const embedded = hasEmbedded(openAPI);
  if (scale) subresources.scale = { kind: 'autoscaling/v1/Scale', verbs: ['get', 'patch', 'update'] };
  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    verbs,
    subresources,
    type: typeIdOf(crd, version.name),
    columns: columnsOf(version),
    rules: {
      defaults: (o) => schema.applyDefaults(o),
      validate: (o, { old, warn }) => [
        ...schema.validate(o, old, embedded ? embeddedErrors(o, openAPI) : [], warn),
        ...(scale ? scaleErrors(scale, o) : []),
      ],
      prepareStatus(o, old) {
        const { managedFields, resourceVersion } = o.metadata;
        o.metadata = { ...old.metadata, resourceVersion };
        if (managedFields) o.metadata.managedFields = managedFields;
      },
      validateStatus: (o, old, { warn }) => [
        ...schema.validateStatus(o, old, warn),
        ...(scale ? statusScaleErrors(scale, o) : []),
      ],
      generation: (o, old) => !equal({ ...o, metadata: null }, { ...old, metadata: null }),
      unconditionalUpdate: false,
      warnings: (o, old) => finalizerWarnings(o, old),
      fieldSelectors: Object.fromEntries(
        (version.selectableFields ?? []).map(({ jsonPath }) => [
          jsonPath.slice(1),
          (o: AnyObject) => String(evaluatePath(jsonPath, o) ?? ''),
        ]),
      ),
      ...(scale
        ? {
            scale: {
              specReplicas: scale.specReplicasPath.slice(1),
              statusReplicas: scale.statusReplicasPath.slice(1),
              selector: (o: AnyObject) =>
                scale.labelSelectorPath ? String(evaluatePath(scale.labelSelectorPath, o) ?? '') : '',
            },
          }
        : {}),
    },
  };
}

type Scale = NonNullable<NonNullable<CustomResourceDefinitionVersion['subresources']>['scale']>;

/** Numbers of replicas are what a Scale can hold. */
function replicasErrors(path: string, object: AnyObject): FieldError[] {
  const value = evaluatePath(path, object);
  const at = new FieldPath(path);
  if (value === undefined) return [];
  if (!Number.isInteger(value)) {
    const why = `${path} accessor error: ${JSON.stringify(value)} is of the type ${typeof value}, expected int64`;
    return [at.invalid(0, why)];
  }
  if ((value as number) < 0) return [at.invalid(value, 'should be a non-negative integer')];
  if ((value as number) > MAX_INT32)
    return [at.invalid(value, `should be less than or equal to ${MAX_INT32}`)];
  return [];
}
const MAX_INT32 = 2147483647;

function statusScaleErrors(
  { statusReplicasPath, labelSelectorPath }: Scale,
  object: AnyObject,
): FieldError[] {
  const errors = replicasErrors(statusReplicasPath, object);
  const selector = labelSelectorPath ? evaluatePath(labelSelectorPath, object) : undefined;
  if (selector === undefined || typeof selector === 'string') return errors;
  const why = `${labelSelectorPath} accessor error: it is of the type ${typeof selector}, expected string`;
  return [...errors, new FieldPath(labelSelectorPath!).invalid('', why)];
}

const scaleErrors = (scale: Scale, object: AnyObject): FieldError[] => [
  ...replicasErrors(scale.specReplicasPath, object),
  ...statusScaleErrors(scale, object),
];

const standardFinalizers = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

/** Finalizers whose names may be somebody else's, too. */
function finalizerWarnings(object: AnyObject, old: AnyObject | undefined): string[] {
  const known = new Set(old?.metadata.finalizers);
  const added = new Set((object.metadata.finalizers ?? []).filter((name) => !known.has(name)));
  return [...added].sort().flatMap((name) => {
    if (name.includes('/') || standardFinalizers.has(name)) return [];
    const better = name.includes('.')
      ? 'prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers'
      : 'prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers';
    return [`metadata.finalizers: ${JSON.stringify(name)}: ${better}`];
  });
}
