import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/apiextensions/v1.gen.ts';
import { age } from '../../api/define.ts';
import type { Column, Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { FieldError } from '../../machinery/status.ts';
import type { CustomSchema } from '../../machinery/structural/custom-schema.ts';
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
  if (scale) subresources.scale = { kind: 'autoscaling/v1/Scale', verbs: ['get', 'patch', 'update'] };
  const columns: Column[] = [
    { name: 'Name', type: 'string', format: 'name', priority: 0, value: (o) => o.metadata.name },
    ...(version.additionalPrinterColumns ?? []).map((c) => ({
      name: c.name,
      type: c.type,
      format: c.format ?? '',
      priority: c.priority ?? 0,
      value: (o: AnyObject, now: number) => {
        const value = evaluatePath(c.jsonPath, o);
        if (c.type === 'date')
          return value === undefined
            ? undefined
            : age({ metadata: { creationTimestamp: String(value) } }, now);
        return value as string;
      },
    })),
  ];
  if (!version.additionalPrinterColumns?.length)
    columns.push({ name: 'Age', type: 'date', format: '', priority: 0, value: age });
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
    columns,
    rules: {
      defaults: (o) => schema.applyDefaults(o),
      validate: (o) => schema.validate(o),
      validateUpdate: (o, old) => changeErrors(schema, o, old),
      validateStatus: (o, old) => schema.validate(o, old),
      generation: 'spec',
      unconditionalUpdate: true,
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

/** Errors of rules that compare with the old object, beside those of the object itself. */
function changeErrors(schema: CustomSchema, object: AnyObject, old: AnyObject): FieldError[] {
  const known = new Set(schema.validate(object).map((e) => `${e.field} ${e.message}`));
  return schema.validate(object, old).filter((e) => !known.has(`${e.field} ${e.message}`));
}
