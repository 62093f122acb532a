// All that can be asked for, of ours and of other servers, in the order in which clients are to prefer it.
import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import type { Kind } from '../../machinery/kind.ts';
import { customPriorities, priorityOf, registrationGroup } from '../aggregation/priorities.ts';
import type { RemoteVersion } from '../aggregation/remote-discovery.ts';
import type { Scheme } from '../scheme.ts';
import { compareVersions } from './discovery.ts';

/** A version of a group: ours with its kinds, or another server's with what it says of itself. */
export interface GroupVersion {
  version: string;
  kinds: Kind<any>[];
  remote?: RemoteVersion;
}

export interface Group {
  name: string;
  versions: GroupVersion[];
}

interface Entry extends GroupVersion {
  group: string;
  groupPriority: number;
  versionPriority: number;
}

export interface CatalogSources {
  scheme: Scheme;
  /** All APIServices as they are now. */
  services(): APIService[];
  /** What is known of another server's. */
  remote(service: APIService): RemoteVersion | undefined;
}

/** Made when somebody asks, and again after `forget`. */
export class Catalog {
  readonly #sources: CatalogSources;
  #groups: Group[] | undefined;

  constructor(sources: CatalogSources) {
    this.#sources = sources;
  }
  forget(): void {
    this.#groups = undefined;
  }

  /** The core group first; then by the priorities of APIServices, and by name. */
  groups(): Group[] {
    this.#groups ??= this.#make();
    return this.#groups;
  }

  #make(): Group[] {
    const entries = new Map<string, Entry>();
    for (const { kind, custom } of this.#sources.scheme.all()) {
      const { group, version } = kind;
      const key = `${group}/${version}`;
      let entry = entries.get(key);
      if (!entry) {
        const priority = (!custom && priorityOf(group, version)) || customPriorities;
        const first = group === registrationGroup ? 20_001 : priority.groupPriorityMinimum;
        entry = {
          ...{ group, version, kinds: [] },
          ...{ groupPriority: first, versionPriority: priority.versionPriority },
        };
        entries.set(key, entry);
      }
      entry.kinds.push(kind);
    }
    for (const service of this.#sources.services()) this.#include(service, entries);
    const groups = new Map<string, Entry[]>();
    for (const entry of entries.values()) {
      const known = groups.get(entry.group);
      if (known) known.push(entry);
      else groups.set(entry.group, [entry]);
    }
    const highest = (versions: Entry[]) => Math.max(...versions.map((v) => v.groupPriority));
    return [...groups]
      .map(([name, versions]) => ({ name, versions, priority: highest(versions) }))
      .sort(
        (a, b) =>
          Number(a.name !== '') - Number(b.name !== '') ||
          b.priority - a.priority ||
          (a.name < b.name ? -1 : 1),
      )
      .map(({ name, versions }) => ({ name, versions: versions.sort(byVersion) }));
  }

  #include(service: APIService, entries: Map<string, Entry>): void {
    const { group = '', version = '', groupPriorityMinimum, versionPriority, service: remote } = service.spec;
    const key = `${group}/${version}`;
    const entry = entries.get(key);
    const priorities = { groupPriority: groupPriorityMinimum, versionPriority };
    if (remote) {
      const known = this.#sources.remote(service) ?? { resources: [], freshness: 'Stale' };
      entries.set(key, { group, version, kinds: [], remote: known, ...priorities });
    } else if (entry) Object.assign(entry, priorities);
  }
}

const byVersion = (a: Entry, b: Entry): number =>
  b.versionPriority - a.versionPriority || compareVersions(a.version, b.version);
