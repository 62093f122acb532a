// Which resources a server has, from aggregated discovery (KEP-3352), or group by group where a server has none.
import { apiVersionOf, type Kind, type Subresource } from '../machinery/kind.ts';
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

const aggregatedKind = 'APIGroupDiscoveryList';

/** A Kind for `client(kind)` and informers, made from what discovery tells. */
export const kindFrom = (resource: ApiResource): Kind => ({ ...resource, type: '', rules: {}, columns: [] });

/** `deployments.apps`, as messages name a resource. */
export const qualifiedName = ({ group, plural }: { group: string; plural: string }): string =>
  group ? `${plural}.${group}` : plural;

/** Everything that a server serves, and how its words map to resources. */
export class Discovery {
  readonly groups: ApiGroup[];
  /** Group versions of which the server cannot tell now what they hold (an aggregated server is down), and why. */
  readonly failed: ReadonlyMap<string, string>;
  readonly #byName = new Map<string, ApiResource[]>();
  constructor(groups: ApiGroup[], failed: ReadonlyMap<string, string> = new Map()) {
    this.groups = groups;
    this.failed = failed;
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
    return this.#first(() => true);
  }

  /** The same of the versions that the server can tell about now: what it knows of others may be out of date. */
  current(): ApiResource[] {
    return this.#first((group, version) => !this.failed.has(apiVersionOf({ group, version })));
  }

  #first(wanted: (group: string, version: string) => boolean): ApiResource[] {
    return this.groups.flatMap((group) => {
      const seen = new Set<string>();
      return group.versions
        .filter(({ version }) => wanted(group.name, version))
        .flatMap(({ resources }) =>
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

/** Asks a server what it serves. */
export async function discover(rest: Rest, options: { signal?: AbortSignal } = {}): Promise<Discovery> {
  const [core, named] = await Promise.all(
    ['/api', '/apis'].map(async (path) => JSON.parse(await rest.text(path, { accept, ...options }))),
  );
  return discoveryFrom(rest, core, named, options);
}

/**
 * Asks again and again what a server serves. As long as the server says that nothing has changed, the answer is the very
 * same object, and costs both sides little.
 */
export function repeatedDiscovery(rest: Rest): () => Promise<Discovery> {
  const documents = new Map<string, { etag: string; json: any }>();
  let last: { core: any; named: any; found: Discovery } | undefined;
  const documentAt = async (path: string): Promise<any> => {
    const before = documents.get(path);
    const headers = { accept, ...(before ? { 'if-none-match': before.etag } : {}) };
    const response = await rest.send({ method: 'GET', path, headers });
    const text = await response.text();
    if (response.status === 304 && before) return before.json;
    const json = JSON.parse(text);
    const { etag } = response.headers;
    // What is not the whole says nothing of the lists that it leads to.
    if (etag && json.kind === aggregatedKind) documents.set(path, { etag, json });
    return json;
  };
  return async () => {
    const [core, named] = await Promise.all(['/api', '/apis'].map(documentAt));
    if (last && last.core === core && last.named === named) return last.found;
    const found = await discoveryFrom(rest, core, named, {});
    last = { core, named, found };
    return found;
  };
}

async function discoveryFrom(
  rest: Rest,
  core: any,
  named: any,
  options: { signal?: AbortSignal },
): Promise<Discovery> {
  const failed = new Map<string, string>();
  const groups =
    core.kind === aggregatedKind && named.kind === aggregatedKind
      ? [...core.items, ...named.items].map((item) => groupFrom(item, failed))
      : await discoverPlainly(rest, core, named, failed, options);
  return new Discovery(groups, failed);
}

function groupFrom(item: any, failed: Map<string, string>): ApiGroup {
  const group: string = item.metadata?.name ?? '';
  return {
    name: group,
    versions: item.versions.map(({ version, freshness, resources = [] }: any) => {
      const groupVersion = apiVersionOf({ group, version });
      if (freshness === 'Stale') failed.set(groupVersion, `stale GroupVersion discovery: ${groupVersion}`);
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
  failed: Map<string, string>,
  options: { signal?: AbortSignal },
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
      failed.set(apiVersionOf({ group, version }), error.message);
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
