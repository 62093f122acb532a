import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/apiextensions/v1.gen.ts';
import { age } from '../../api/define.ts';
import { typeFacts } from '../../api/facts.gen.ts';
import { type JSONSchema, schemaFromOpenAPI } from '../../machinery/apply/openapi-schema.ts';
import { time } from '../../machinery/clock.ts';
import type { Column, Kind } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { applyDefaults } from '../../machinery/structural/defaults.ts';
import { validateSchema } from '../../machinery/structural/validate.ts';
import { encodeForStore } from '../cache/entry.ts';
import type { Served } from '../scheme.ts';
import type { ApiServer } from '../server.ts';
import { evaluatePath } from './path.ts';

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];

/** A change of the definition makes new types: what is known of the old ones is never asked again. */
const typeIdOf = (crd: CustomResourceDefinition, version: string): string =>
  `custom:${crd.metadata.name}/${version}@${crd.metadata.generation}`;

/** The kind that a version of a definition stands for. */
export function kindFrom(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion): Kind {
  const { names, group, scope } = crd.spec;
  const schema = version.schema?.openAPIV3Schema as JSONSchema | undefined;
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
      defaults: (o) => applyDefaults(o, schema),
      validate: (o) => validateSchema(o, schema),
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

/** Serves what CustomResourceDefinitions define, and says in their status that it does. */
export async function customResources(server: ApiServer, signal: AbortSignal): Promise<void> {
  const { registry, log } = server;
  const { caches, scheme, store, clock } = registry;
  const cache = caches.of(customResourceDefinitions)!;
  const serving = new Map<string, Served[]>();

  async function serve(crd: CustomResourceDefinition): Promise<void> {
    const name = crd.metadata.name!;
    const before = serving.get(name) ?? [];
    const storageVersion = crd.spec.versions.find((v) => v.storage)!;
    const storage = kindFrom(crd, storageVersion);
    await caches.add(storage, true);
    for (const version of crd.spec.versions) {
      const schema = version.schema?.openAPIV3Schema as JSONSchema | undefined;
      Object.assign(registry.schemas, schemaFromOpenAPI(schema, typeIdOf(crd, version.name), typeFacts));
    }
    const now = crd.spec.versions
      .filter((v) => v.served)
      .map((version): Served => {
        const kind = kindFrom(crd, version);
        const as =
          (k: Kind) =>
          (object: AnyObject): AnyObject => ({ ...object, apiVersion: `${k.group}/${k.version}` });
        return version.name === storageVersion.name
          ? { kind, storage, custom: true }
          : { kind, storage, custom: true, toStorage: as(storage), fromStorage: as(kind) };
      });
    serving.set(name, now);
    for (const served of now) scheme.add(served);
    for (const old of before)
      if (!now.some((s) => s.kind.version === old.kind.version)) scheme.remove(old.kind);
    if (!crd.status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True'))
      await establish(crd);
  }

  async function establish(crd: CustomResourceDefinition): Promise<void> {
    const entry = cache.get(`${cache.prefix}${crd.metadata.name}`);
    if (!entry) return;
    const draft = clone(entry.object);
    const lastTransitionTime = time(clock.now());
    const { listKind, singular, ...names } = draft.spec.names;
    draft.status = {
      ...draft.status,
      conditions: [
        {
          type: 'NamesAccepted',
          status: 'True',
          lastTransitionTime,
          reason: 'NoConflicts',
          message: 'no conflicts found',
        },
        {
          type: 'Established',
          status: 'True',
          lastTransitionTime,
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ],
      acceptedNames: {
        ...names,
        singular: singular ?? names.kind.toLowerCase(),
        listKind: listKind ?? `${names.kind}List`,
      },
      storedVersions: [
        ...new Set([
          ...(draft.status?.storedVersions ?? []),
          draft.spec.versions.find((v: { storage: boolean }) => v.storage).name,
        ]),
      ],
    };
    await store.txn(
      [{ key: entry.key, target: 'mod', equals: entry.revision }],
      [{ op: 'put', key: entry.key, value: encodeForStore(cache.kind, draft), decoded: draft }],
    );
  }

  /** Objects of a definition that goes away go first; then its finalizer. */
  async function finalize(crd: CustomResourceDefinition): Promise<void> {
    const storage = serving.get(crd.metadata.name!)?.[0]?.storage;
    const objects = storage ? caches.of(storage, true) : undefined;
    for (const entry of [...(objects?.entries.values() ?? [])])
      await store.txn([], [{ op: 'delete', key: entry.key }]);
    const entry = cache.get(`${cache.prefix}${crd.metadata.name}`);
    if (!entry) return;
    const draft = clone(entry.object);
    draft.metadata.finalizers = draft.metadata.finalizers?.filter(
      (f) => f !== 'customresourcecleanup.apiextensions.k8s.io',
    );
    await store.txn(
      [{ key: entry.key, target: 'mod', equals: entry.revision }],
      draft.metadata.finalizers?.length
        ? [{ op: 'put', key: entry.key, value: encodeForStore(cache.kind, draft), decoded: draft }]
        : [{ op: 'delete', key: entry.key }],
    );
  }

  function retire(name: string): void {
    for (const served of serving.get(name) ?? []) {
      scheme.remove(served.kind);
      caches.remove(served.storage);
    }
    serving.delete(name);
  }

  for (const { object } of cache.entries.values()) await serve(object as unknown as CustomResourceDefinition);
  const unwatch = cache.watch(cache.revision, (event) => {
    const crd = event.entry.object as unknown as CustomResourceDefinition;
    const failed = (error: unknown) =>
      log.error('custom resource definition failed', { name: crd.metadata.name, error: String(error) });
    if (event.deleted) retire(crd.metadata.name!);
    else if (crd.metadata.deletionTimestamp) finalize(crd).catch(failed);
    else serve(crd).catch(failed);
  });
  signal.addEventListener('abort', unwatch, { once: true });
}
