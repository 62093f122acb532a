// What other servers say that they serve, asked for again and again: part of our own discovery. Source: KEP-3352.
import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import { type Clock, sleep } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { userHeaders } from '../authn/request-header.ts';
import { type ClientIdentity, type Outbound, readBody } from '../outbound/outbound.ts';
import { calleeOf, groupVersionOf, pathOf } from './callee.ts';

const refreshMs = 60_000;
const firstRetryMs = 500;
const timeoutMs = 5000;
const mostBytes = 16 << 20;

/** A resource in the form of APIGroupDiscoveryList v2. */
export type DiscoveredResource = Record<string, any>;

export interface RemoteVersion {
  resources: DiscoveredResource[];
  /** `Stale` when the server does not answer now. */
  freshness: 'Current' | 'Stale';
}

export interface RemoteDiscoveryOptions {
  outbound: Outbound;
  identity: ClientIdentity | undefined;
  clock: Clock;
  log: Log;
  /** Called when a document has changed. */
  onChange(): void;
}

const accept = ['v2', 'v2beta1']
  .map((v) => `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`)
  .concat('application/json')
  .join(',');

export class RemoteDiscovery {
  readonly #options: RemoteDiscoveryOptions;
  /** By the name of the APIService. */
  readonly #followed = new Map<string, { service: APIService; stop: AbortController }>();
  readonly #known = new Map<string, RemoteVersion>();

  constructor(options: RemoteDiscoveryOptions) {
    this.#options = options;
  }

  of(service: APIService): RemoteVersion | undefined {
    return this.#known.get(service.metadata.name!);
  }

  /** Follows these, and no others. */
  follow(services: readonly APIService[]): void {
    const names = new Set(services.map(({ metadata }) => metadata.name!));
    for (const [name, { stop }] of this.#followed) {
      if (names.has(name)) continue;
      stop.abort(new Error('gone'));
      this.#followed.delete(name);
      this.#known.delete(name);
    }
    for (const service of services) {
      const name = service.metadata.name!;
      const before = this.#followed.get(name);
      if (before && before.service.metadata.resourceVersion === service.metadata.resourceVersion) continue;
      before?.stop.abort(new Error('changed'));
      const stop = new AbortController();
      this.#followed.set(name, { service, stop });
      void this.#keep(service, stop.signal);
    }
  }

  stop(): void {
    for (const { stop } of this.#followed.values()) stop.abort(new Error('the server ends'));
    this.#followed.clear();
  }

  async #keep(service: APIService, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const name = service.metadata.name!;
    let delayMs = firstRetryMs;
    while (!signal.aborted) {
      try {
        const resources = await this.#fetch(service, signal);
        if (signal.aborted) return;
        delayMs = firstRetryMs;
        this.#set(name, { resources, freshness: 'Current' });
        await sleep(clock, refreshMs, signal).catch(() => {});
      } catch (error) {
        if (signal.aborted) return;
        log.debug('discovery of an API service failed', { name, error: String(error) });
        this.#set(name, { resources: this.#known.get(name)?.resources ?? [], freshness: 'Stale' });
        await sleep(clock, delayMs, signal).catch(() => {});
        delayMs = Math.min(refreshMs, delayMs * 2);
      }
    }
  }
  #set(name: string, version: RemoteVersion): void {
    const before = this.#known.get(name);
    this.#known.set(name, version);
    if (JSON.stringify(before) !== JSON.stringify(version)) this.#options.onChange();
  }

  async #fetch(service: APIService, signal: AbortSignal): Promise<DiscoveredResource[]> {
    const all = await this.#get(service, '/apis', signal);
    if (all?.kind === 'APIGroupDiscoveryList') {
      const [group, version] = groupVersionOf(service).split('/');
      const found = all.items
        ?.find((item: any) => item.metadata?.name === group)
        ?.versions?.find((item: any) => item.version === version);
      if (!found) throw new Error(`the server does not list ${group}/${version}`);
      return found.resources ?? [];
    }
    const list = await this.#get(service, pathOf(service), signal);
    if (list?.kind !== 'APIResourceList') throw new Error(`there is no resource list at ${pathOf(service)}`);
    return fromResourceList(list, service);
  }

  /** The document at a path; undefined where there is none. */
  async #get(service: APIService, path: string, signal: AbortSignal): Promise<any> {
    const { outbound, identity } = this.#options;
    const response = await outbound.send(calleeOf(service, identity), {
      ...{ method: 'GET', path, timeoutMs, signal },
      headers: { accept, ...userHeaders({ name: 'system:kube-aggregator', groups: ['system:masters'] }) },
    });
    const body = new TextDecoder().decode(await readBody(response, mostBytes));
    if (response.code === 404 || response.code === 406 || response.code === 403) return undefined;
    if (response.code !== 200) throw new Error(`${path} was answered with ${response.code}`);
    return JSON.parse(body);
  }
}

/** An APIResourceList, as servers gave it before there was one document of all. */
function fromResourceList(list: any, { spec }: APIService): DiscoveredResource[] {
  const resources = new Map<string, DiscoveredResource>();
  const kindOf = (one: any) => ({
    group: one.group ?? spec.group ?? '',
    version: one.version ?? spec.version ?? '',
    kind: one.kind,
  });
  const all = (list.resources ?? []) as any[];
  for (const one of all.filter(({ name }) => !name.includes('/'))) {
    resources.set(one.name, {
      resource: one.name,
      responseKind: kindOf(one),
      scope: one.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: one.singularName ?? '',
      verbs: one.verbs ?? [],
      ...(one.shortNames?.length ? { shortNames: one.shortNames } : {}),
      ...(one.categories?.length ? { categories: one.categories } : {}),
    });
  }
  for (const one of all.filter(({ name }) => name.includes('/'))) {
    const [parent, subresource] = one.name.split('/');
    const resource = resources.get(parent);
    if (!resource) continue;
    resource.subresources ??= [];
    resource.subresources.push({ subresource, responseKind: kindOf(one), verbs: one.verbs ?? [] });
  }
  return [...resources.values()];
}
