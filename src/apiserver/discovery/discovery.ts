import type { Kind, Subresource } from '../../machinery/kind.ts';
import type { Group, GroupVersion } from './catalog.ts';

/** Kubernetes' own order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then by name. */
export function compareVersions(a: string, b: string): number {
  const parse = (v: string) => /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(v);
  const [x, y] = [parse(a), parse(b)];
  if (!x || !y) return x ? -1 : y ? 1 : a < b ? -1 : 1;
  const rank = (m: RegExpExecArray) => (m[2] === undefined ? 2 : m[2] === 'beta' ? 1 : 0);
  return rank(y) - rank(x) || Number(y[1]) - Number(x[1]) || Number(y[3] ?? 0) - Number(x[3] ?? 0);
}

const split = (kind: Kind<any>, sub: Subresource): { group: string; version: string; kind: string } => {
  const [group, version, name] = sub.kind.split('/') as [string, string, string];
  if (!group && !version) return { group: kind.group, version: kind.version, kind: name };
  return { group, version, kind: name };
};

/** `APIResourceList` of one group and version. */
export function resourceList(group: string, version: string, kinds: Kind<any>[]) {
  const resources = byPlural(kinds).flatMap((kind) => [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: kind.verbs,
      ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length ? { categories: kind.categories } : {}),
      ...(kind.verbs.includes('get')
        ? { storageVersionHash: hash(`${kind.group}/${kind.version}/${kind.kind}`) }
        : {}),
    },
    ...Object.entries(kind.subresources).map(([name, sub]) => {
      const of = split(kind, sub);
      const foreign = of.group !== kind.group || of.version !== kind.version;
      return {
        name: `${kind.plural}/${name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(foreign ? { group: of.group, version: of.version } : {}),
        kind: of.kind,
        verbs: sub.verbs,
      };
    }),
  ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group ? `${group}/${version}` : version,
    resources,
  };
}

/** A short stable text for a longer one. */
export function hash(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x1000193;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193) >>> 0;
    b = Math.imul(b + text.charCodeAt(i), 0x85ebca6b) >>> 0;
  }
  return btoa(
    String.fromCharCode(...[a, b].flatMap((n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24])),
  );
}

const groupVersions = (group: Group) =>
  group.versions.map(({ version }) => ({
    groupVersion: group.name ? `${group.name}/${version}` : version,
    version,
  }));

export function apiGroup(group: Group) {
  const versions = groupVersions(group);
  return { name: group.name, versions, preferredVersion: versions[0] };
}

export const apiGroupList = (groups: Group[]) => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: groups.filter((g) => g.name).map(apiGroup),
});

const byPlural = (kinds: readonly Kind<any>[]): Kind<any>[] =>
  kinds.toSorted((a, b) => (a.plural < b.plural ? -1 : 1));

/** What another server says of itself is passed on as it is. */
const discovered = ({ kinds, remote }: GroupVersion) =>
  remote?.resources ??
  byPlural(kinds).map((kind) => ({
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length ? { categories: kind.categories } : {}),
    ...(Object.keys(kind.subresources).length
      ? {
          subresources: Object.entries(kind.subresources).map(([subresource, sub]) => ({
            subresource,
            responseKind: split(kind, sub),
            verbs: sub.verbs,
          })),
        }
      : {}),
  }));

/** `APIGroupDiscoveryList`: all groups at once, or the core group alone. Source: KEP-3352. */
export function aggregated(groups: Group[], version = 'v2') {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group.name || undefined, creationTimestamp: null },
      versions: group.versions.map((one) => ({
        version: one.version,
        freshness: one.remote?.freshness ?? 'Current',
        resources: discovered(one),
      })),
    })),
  };
}
