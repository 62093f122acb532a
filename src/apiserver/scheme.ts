import { apiVersionOf, type Kind } from '../machinery/kind.ts';
import type { View } from './registry/view.ts';

/** Where upstream's names in the store differ from the resource's own. */
const storeNames: Record<string, string> = {
  nodes: 'minions',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  replicationcontrollers: 'controllers',
  'ingresses.networking.k8s.io': 'ingress',
  'customresourcedefinitions.apiextensions.k8s.io': 'apiextensions.k8s.io/customresourcedefinitions',
  'apiservices.apiregistration.k8s.io': 'apiregistration.k8s.io/apiservices',
};

/** `/registry/pods/`, `/registry/minions/`, `/registry/example.com/widgets/`: where a resource's objects are kept. */
export function storePrefix(kind: Kind<any>, custom: boolean): string {
  const full = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
  return `/registry/${storeNames[full] ?? (custom ? `${kind.group}/${kind.plural}` : kind.plural)}/`;
}

/** A version of a kind as it is served, and how it differs from the one that is stored. */
export interface Served {
  kind: Kind<any>;
  /** The kind whose form is in the store; the same unless there are several versions or groups. */
  storage: Kind<any>;
  /** Converts between the two; without it what is stored is what is served. */
  view?: View;
  custom: boolean;
  /** Aborts when the definition behind it has changed: watches end then. */
  ended?: AbortSignal;
  /** Its definition is going, and nothing new may come. */
  terminating?: boolean;
  /** A sentence for those who still use this version. */
  deprecation?: string;
}

/** All that is served now. Custom resources come and go. */
export class Scheme {
  readonly #byResource = new Map<string, Served>();
  readonly #byKind = new Map<string, Served>();
  #sharing: Map<Kind<any>, Served[]> | undefined;
  readonly #listeners = new Set<() => void>();

  add(served: Served): void {
    const { kind } = served;
    this.#byResource.set(`${apiVersionOf(kind)}/${kind.plural}`, served);
    this.#byKind.set(`${apiVersionOf(kind)}/${kind.kind}`, served);
    this.#sharing = undefined;
    for (const changed of this.#listeners) changed();
  }
  remove(kind: Kind<any>): void {
    this.#byResource.delete(`${apiVersionOf(kind)}/${kind.plural}`);
    this.#byKind.delete(`${apiVersionOf(kind)}/${kind.kind}`);
    this.#sharing = undefined;
    for (const changed of this.#listeners) changed();
  }
  resource(group: string, version: string, plural: string): Served | undefined {
    return this.#byResource.get(group ? `${group}/${version}/${plural}` : `${version}/${plural}`);
  }
  kind(apiVersion: string, kind: string): Served | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }
  /** All forms in which what is stored as `storage` is served. */
  sharing(storage: Kind<any>): readonly Served[] {
    this.#sharing ??= Map.groupBy(this.#byResource.values(), (served) => served.storage);
    return this.#sharing.get(storage) ?? [];
  }
  /** Custom resources, each once: in the version that is stored, where that is served, for it needs no conversion. */
  custom(): Kind<any>[] {
    return this.all()
      .filter((served) => {
        const forms = served.custom ? this.sharing(served.storage) : [];
        return served === (forms.find(({ kind, storage }) => kind === storage) ?? forms[0]);
      })
      .map(({ kind }) => kind);
  }
  all(): Served[] {
    return [...this.#byResource.values()];
  }
  onChange(changed: () => void): void {
    this.#listeners.add(changed);
  }
}
