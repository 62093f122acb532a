import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { APPROVAL } from '../../api/apiextensions/definition-validation.ts';
import type { CustomResourceDefinition } from '../../api/apiextensions/v1.gen.ts';
import { typeFacts } from '../../api/facts.gen.ts';
import type { JSONSchema } from '../../machinery/apply/openapi-schema.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import { customSchema } from '../../machinery/structural/custom-schema.ts';
import type { Timed } from '../../machinery/structural/rules.ts';
import { compareVersions } from '../discovery/discovery.ts';
import type { Registry } from '../registry/registry.ts';
import { View } from '../registry/view.ts';
import type { Served } from '../scheme.ts';
import type { ApiServer } from '../server.ts';
import { converterOf, type Form } from './conversion.ts';
import { finalizeDefinition } from './finalize.ts';
import { kindFrom, typeIdOf } from './kind.ts';
import { stateNames } from './names.ts';

/** The versions of a definition as they are to be served; their types are then known. */
function versionsOf(
  registry: Registry,
  crd: CustomResourceDefinition,
  ended: AbortSignal,
): { storage: Kind; served: Served[] } {
  const forms = new Map<string, Form>();
  const { clock, metrics } = registry;
  const timed: Timed = (what, run) => {
    const began = clock.now();
    try {
      return run();
    } finally {
      metrics.custom[what].observe((clock.now() - began) / 1000);
    }
  };
  let storage!: Kind;
  for (const version of crd.spec.versions) {
    const type = typeIdOf(crd, version.name);
    const openAPI = version.schema?.openAPIV3Schema as JSONSchema | undefined;
    const schema = customSchema(openAPI, type, typeFacts, timed);
    Object.assign(registry.schemas, schema.schemas);
    const kind = kindFrom(crd, version, schema);
    forms.set(apiVersionOf(kind), { kind, schema, served: version.served });
    if (version.storage) storage = kind;
  }
  const converter = converterOf(registry, crd, forms, storage, registry.store.revision);
  const served = [...forms.values()]
    .filter((form) => form.served)
    .map(({ kind }): Served => {
      const deprecation = deprecationOf(crd, kind.version);
      const view = new View(kind, storage, converter);
      return { kind, storage, view, custom: true, ended, ...(deprecation ? { deprecation } : {}) };
    });
  return { storage, served };
}

/** What a client of a deprecated version is told. */
function deprecationOf({ spec }: CustomResourceDefinition, name: string): string | undefined {
  const { deprecated, deprecationWarning } = spec.versions.find((v) => v.name === name)!;
  if (!deprecated) return undefined;
  if (deprecationWarning) return deprecationWarning;
  const { kind } = spec.names;
  const [newer] = spec.versions
    .filter((v) => v.served && !v.deprecated && compareVersions(v.name, name) < 0)
    .map((v) => v.name)
    .sort(compareVersions);
  const instead = newer ? `; use ${spec.group}/${newer} ${kind}` : '';
  return `${spec.group}/${name} ${kind} is deprecated${instead}`;
}

/**
 * Serves what CustomResourceDefinitions define, and says in their status that it does. Returns what resolves when it has
 * followed all that it knows of.
 */
export async function customResources(server: ApiServer, signal: AbortSignal): Promise<() => Promise<void>> {
  const { registry, log } = server;
  const { caches, scheme } = registry;
  const cache = caches.of(customResourceDefinitions)!;
  const serving = new Map<string, { served: Served[]; end: AbortController }>();
  const newest = (name: string) =>
    cache.get(cache.prefix + name)?.object as unknown as CustomResourceDefinition | undefined;

  async function serve(crd: CustomResourceDefinition): Promise<void> {
    const name = crd.metadata.name!;
    const accepted = await stateNames(registry, crd);
    if (!accepted) return;
    const before = serving.get(name);
    const end = new AbortController();
    const { storage, served } = versionsOf(registry, crd, end.signal);
    await caches.add(storage, true);
    if (!newest(name)) return;
    serving.set(name, { served, end });
    for (const one of served) scheme.add(one);
    for (const old of before?.served ?? [])
      if (!served.some((s) => s.kind.version === old.kind.version)) scheme.remove(old.kind);
    // Who watches shall see what he watches as it is defined now: he comes again.
    before?.end.abort();
    await accepted.establish();
  }

  function retire(name: string): void {
    const before = serving.get(name);
    for (const served of before?.served ?? []) {
      scheme.remove(served.kind);
      caches.remove(served.storage);
    }
    serving.delete(name);
    before?.end.abort();
  }

  const waiting = (): string[] =>
    [...cache.entries.values()]
      .map(({ object }) => object.metadata.name!)
      .filter((name) => !serving.has(name));

  /** One change of a definition after the other: each works on what is newest by then. */
  const turns = new Map<string, Promise<void>>();
  function follow(name: string, deleted: boolean): void {
    const turn = (turns.get(name) ?? Promise.resolve())
      .then(async () => {
        const crd = newest(name);
        if (deleted) retire(name);
        // Names that it had are free now.
        if (deleted) for (const other of waiting()) follow(other, false);
        if (!crd) return;
        if (crd.metadata.deletionTimestamp) {
          const served = serving.get(name)?.served ?? [];
          for (const one of served) one.terminating = true;
          await finalizeDefinition(registry, crd, served[0]?.storage, signal);
        } else await serve(crd);
      })
      .catch((error) => log.error('custom resource definition failed', { name, error }));
    turns.set(name, turn);
    void turn.finally(() => turns.get(name) === turn && turns.delete(name));
  }

  for (const { object } of cache.entries.values()) {
    await serve(object as unknown as CustomResourceDefinition);
    if (object.metadata.deletionTimestamp) follow(object.metadata.name!, false);
  }
  const unwatch = cache.watch(cache.revision, ({ entry, previous, deleted }) => {
    const { metadata } = entry.object;
    const before = previous?.object.metadata;
    const same =
      before?.generation === metadata.generation &&
      before?.deletionTimestamp === metadata.deletionTimestamp &&
      before?.annotations?.[APPROVAL] === metadata.annotations?.[APPROVAL];
    if (deleted || !same) follow(metadata.name!, deleted);
  });
  signal.addEventListener('abort', unwatch, { once: true });
  return async () => void (await Promise.all(turns.values()));
}
