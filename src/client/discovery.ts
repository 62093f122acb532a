// Which resources a server has, from aggregated discovery (KEP-3352), or group by group where a server has none.
import type { Kind, Subresource } from '../machinery/kind.ts';
import { isStatusError } from '../machinery/status.ts';
import type { Rest } from './rest.ts';

/** A resource as discovery tells it. */
export type ApiResource = Pick<
  Kind,
  | 'group'
  | 'version'
  | 'kind'
  | 'plural'
  | 'singular'
  | 'shortNames'
  | 'categories'
  | 'namespaced'
  | 'verbs'
  | 'subresources'
>;

export interface ApiGroup {
  name: string;
  /** The preferred one first. */
  versions: { version: string; resources: ApiResource[] }[];
}

const accept =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,' +
  'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';

/** A Kind for `client(kind)` and informers, made from what discovery tells. */
export const kindFrom = (resource: ApiResource): Kind => ({ ...resource, type: '', rules: {}, columns: [] });

/** `deployments.apps`, as messages name a resource. */
export const qualifiedName = ({ group, plural }: { group: string; plural: string }): string =>
  group ? `${plural}.${group}` : plural;

/** Everything that a server serves, and how its words map to resources. */
export class Discovery {
  readonly groups: ApiGroup[];
  readonly #byName = new Map<string, ApiResource[]>();
  constructor(groups: ApiGroup[]) {
    this.groups = groups;
    for (const resource of this.resources())
      for (const name of new Set([
        resource.plural,
        resource.singular || resource.kind.toLowerCase(),
        ...resource.shortNames,
      ])) {
        const found = this.#byName.get(name);
        if (found) found.push(resource);
        else this.#byName.set(name, [resource]);
      }
  }

  /** All resources of all versions: groups in the server's order, the preferred version first. */
  resources(): ApiResource[] {
    return this.groups.flatMap((group) => group.versions.flatMap((version) => version.resources));
  }

  /** Resources of each group's preferred version, and those that only other versions have. */
  preferred(): ApiResource[] {
    return this.groups.flatMap((group) => {
      const seen = new Set<string>();
      return group.versions.flatMap(({ resources }) =>
        resources.filter((resource) => !seen.has(resource.plural) && seen.add(resource.plural)),
      );
    });
  }

  /**
   * What a user's word means: `pods`, `po`, `deployment`, `deployments.apps`, `deployments.v1.apps`. The first match in the
   * server's order wins; a full plural or singular name goes before a short name.
   */
  find(word: string): ApiResource | undefined {
    const text = word.toLowerCase();
    const dot = text.indexOf('.');
    if (dot < 0) return this.#named(text)[0];
    const name = text.slice(0, dot);
    const [version, ...group] = text.slice(dot + 1).split('.');
    const candidates = this.#named(name);
    return (
      candidates.find((r) => r.version === version && r.group === group.join('.')) ??
      candidates.find((r) => r.group === text.slice(dot + 1)) ??
      candidates.find((r) => r.group.startsWith(text.slice(dot + 1))) ??
      // `-o name` tells a kind, which need not be like the resource's name.
      this.resources().find((r) => r.kind.toLowerCase() === name && r.group === text.slice(dot + 1))
    );
  }

  /** Resources that a short name could mean too, after the one that `find` gives; none for a full name. */
  lower(word: string): ApiResource[] {
    const [first, ...others] = this.#named(word.toLowerCase());
    if (!first?.shortNames.includes(word.toLowerCase())) return [];
    const seen = new Set([qualifiedName(first)]);
    return others.filter((r) => !seen.has(qualifiedName(r)) && seen.add(qualifiedName(r)));
  }

  #named(name: string): ApiResource[] {
    const found = this.#byName.get(name) ?? [];
    const full = found.filter((r) => r.plural === name || r.singular === name);
    return full.length ? [...full, ...found.filter((r) => !full.includes(r))] : found;
  }

  /** The resource of a kind; without a version, that of the preferred one. */
  byKind(group: string, kind: string, version?: string): ApiResource | undefined {
    for (const { versions } of this.groups.filter((g) => g.name === group))
      for (const { version: served, resources } of versions) {
        if (version && served !== version) continue;
        const found = resources.find((r) => r.kind === kind);
        if (found) return found;
      }
    return undefined;
  }

  /** Members of a category, such as `all`. */
  category(name: string): ApiResource[] {
    return this.preferred().filter((resource) => resource.categories.includes(name));
  }
}

/** Asks a server what it serves. Groups that cannot be had (an aggregated server is down) are told to `onFailure`. */
export async function discover(
  rest: Rest,
  options: { signal?: AbortSignal; onFailure?: (groupVersion: string) => void } = {},
): Promise<Discovery> {
  const [core, named] = await Promise.all(
    ['/api', '/apis'].map(async (path) => JSON.parse(await rest.text(path, { accept, ...options }))),
  );
  if (core.kind === 'APIGroupDiscoveryList' && named.kind === 'APIGroupDiscoveryList')
    return new Discovery([...core.items, ...named.items].map((item) => groupFrom(item, options.onFailure)));
  return new Discovery(await discoverPlainly(rest, core, named, options));
}

function groupFrom(item: any, onFailure?: (groupVersion: string) => void): ApiGroup {
  const group: string = item.metadata?.name ?? '';
  return {
    name: group,
    versions: item.versions.map(({ version, freshness, resources = [] }: any) => {
      if (freshness === 'Stale') onFailure?.(group ? `${group}/${version}` : version);
      return {
        version,
        resources: resources.map((r: any) => ({
          group: r.responseKind?.group || group,
          version: r.responseKind?.version || version,
          kind: r.responseKind?.kind ?? '',
          plural: r.resource,
          singular: r.singularResource ?? '',
          shortNames: r.shortNames ?? [],
          categories: r.categories ?? [],
          namespaced: r.scope === 'Namespaced',
          verbs: r.verbs ?? [],
          subresources: Object.fromEntries(
            (r.subresources ?? []).map((s: any) => [
              s.subresource,
              {
                kind: `${s.responseKind?.group ?? ''}/${s.responseKind?.version ?? ''}/${s.responseKind?.kind ?? ''}`,
                verbs: s.verbs ?? [],
              },
            ]),
          ),
        })),
      };
    }),
  };
}

/** `APIGroupList` and an `APIResourceList` for each version. */
async function discoverPlainly(
  rest: Rest,
  core: any,
  named: any,
  options: { signal?: AbortSignal; onFailure?: (groupVersion: string) => void },
): Promise<ApiGroup[]> {
  const groups: { name: string; versions: string[] }[] = [
    { name: '', versions: core.versions ?? ['v1'] },
    ...(named.groups ?? []).map((g: any) => {
      const preferred: string | undefined = g.preferredVersion?.version;
      const versions: string[] = g.versions.map((v: any) => v.version);
      return {
        name: g.name,
        versions: preferred ? [preferred, ...versions.filter((v) => v !== preferred)] : versions,
      };
    }),
  ];
  const listOf = async (group: string, version: string): Promise<ApiResource[]> => {
    try {
      const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
      return resourcesFrom(group, version, JSON.parse(await rest.text(path, { signal: options.signal })));
    } catch (error) {
      if (!isStatusError(error) || error.code === 401) throw error;
      options.onFailure?.(group ? `${group}/${version}` : version);
      return [];
    }
  };
  return Promise.all(
    groups.map(async ({ name, versions }) => ({
      name,
      versions: await Promise.all(
        versions.map(async (version) => ({ version, resources: await listOf(name, version) })),
      ),
    })),
  );
}

function resourcesFrom(group: string, version: string, list: any): ApiResource[] {
  const subresources = new Map<string, Record<string, Subresource>>();
  for (const r of list.resources ?? []) {
    const [plural, subresource] = r.name.split('/', 2);
    if (subresource === undefined) continue;
    const mine = subresources.get(plural) ?? {};
    mine[subresource] = { kind: `${r.group ?? group}/${r.version ?? version}/${r.kind}`, verbs: r.verbs };
    subresources.set(plural, mine);
  }
  return (list.resources ?? [])
    .filter((r: any) => !r.name.includes('/'))
    .map((r: any) => ({
      group,
      version,
      kind: r.kind,
      plural: r.name,
      singular: r.singularName || r.kind.toLowerCase(),
      shortNames: r.shortNames ?? [],
      categories: r.categories ?? [],
      namespaced: r.namespaced,
      verbs: r.verbs ?? [],
      subresources: subresources.get(r.name) ?? {},
    }));
}
