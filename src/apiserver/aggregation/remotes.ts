import { apiServices, isAvailable } from '../../api/apiregistration/api-service.ts';
import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import type { Caches } from '../cache/caches.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Call } from '../http/call.ts';
import type { Callee, ClientIdentity, Outbound } from '../outbound/outbound.ts';
import { calleeOf, groupVersionOf } from './callee.ts';
import { proxy, unavailable } from './proxy.ts';

/** API groups that other servers serve, as APIServices with a service say. */
export class Remotes {
  readonly #cache: ResourceCache;
  readonly #outbound: Outbound;
  readonly #identity: ClientIdentity | undefined;
  /** By `GROUP/VERSION`. */
  #services = new Map<string, APIService>();
  readonly #listeners = new Set<() => void>();
  readonly stop: () => void;

  constructor(caches: Caches, outbound: Outbound, identity: ClientIdentity | undefined) {
    this.#cache = caches.of(apiServices)!;
    this.#outbound = outbound;
    this.#identity = identity;
    this.#refresh();
    this.stop = this.#cache.watch(this.#cache.revision, () => {
      this.#refresh();
      for (const changed of this.#listeners) changed();
    });
  }

  /** Called when any APIService has changed. */
  onChange(changed: () => void): void {
    this.#listeners.add(changed);
  }

  #refresh(): void {
    this.#services = new Map(
      this.all()
        .filter(({ spec }) => spec.service)
        .map((service) => [groupVersionOf(service), service]),
    );
  }

  /** All APIServices, also those that this server serves itself. */
  all(): APIService[] {
    return [...this.#cache.entries.values()].map(({ object }) => object as unknown as APIService);
  }
  /** Whether there are other servers at all. */
  get any(): boolean {
    return this.#services.size > 0;
  }
  /** Those of other servers. */
  get services(): APIService[] {
    return [...this.#services.values()];
  }

  /** Whether a group's version is another server's. */
  covers(group: string, version: string): boolean {
    return this.#services.size > 0 && this.#services.has(`${group}/${version}`);
  }

  /** The APIService that a path belongs to: `/apis/GROUP/VERSION` and what is below it. */
  at(path: string): APIService | undefined {
    if (!this.#services.size) return undefined;
    const [, root, first, second] = path.split('/');
    if (root === 'api' && first) return this.#services.get(`/${first}`);
    return root === 'apis' && first && second ? this.#services.get(`${first}/${second}`) : undefined;
  }

  calleeOf(service: APIService): Callee {
    return calleeOf(service, this.#identity);
  }

  /** Passes a request on to the server that it is meant for; false when it is ours. */
  serve(call: Call, closing: AbortSignal): Promise<boolean> | false {
    const service = this.at(call.exchange.path);
    return service !== undefined && this.#pass(call, service, closing);
  }
  async #pass(call: Call, service: APIService, closing: AbortSignal): Promise<boolean> {
    // It takes the other server's time, not ours.
    call.freeSeats();
    if (!isAvailable(service)) unavailable(call.exchange);
    else {
      const ends = call.attributes?.verb === 'watch' ? closing : undefined;
      await proxy(call, this.#outbound, this.calleeOf(service), ends);
    }
    return true;
  }
}
