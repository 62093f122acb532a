// What other servers say of their types: part of our OpenAPI documents, fetched when somebody asks for those.
import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { userHeaders } from '../authn/request-header.ts';
import type { User } from '../context.ts';
import { type Outbound, type OutboundResponse, readBody } from '../outbound/outbound.ts';
import { groupVersionOf, pathOf } from './callee.ts';
import { type Doc, filterPaths } from './openapi-documents.ts';
import type { Remotes } from './remotes.ts';

const freshMs = 60_000;
const timeoutMs = 5000;
const mostBytes = 64 << 20;
const aggregator: User = { name: 'system:aggregator', groups: ['system:masters'] };

interface Known {
  atMs: number;
  resourceVersion: string | undefined;
  /** `apis/GROUP/VERSION` -> where its document is. */
  v3: Record<string, { serverRelativeURL: string }>;
  v2: Doc | undefined;
  text: string;
}

export class RemoteOpenAPI {
  readonly #remotes: Remotes;
  readonly #outbound: Outbound;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  /** Changes when any document of version 2 has. */
  generation = 0;

  constructor(remotes: Remotes, outbound: Outbound, clock: Clock, log: Log) {
    this.#remotes = remotes;
    this.#outbound = outbound;
    this.#clock = clock;
    this.#log = log;
  }

  /** Brings what is known up to date; what does not answer stays as it was. */
  async refresh(): Promise<void> {
    const { services } = this.#remotes;
    const names = new Set(services.map(({ metadata }) => metadata.name!));
    for (const name of this.#known.keys()) {
      if (names.has(name)) continue;
      this.#known.delete(name);
      this.generation++;
    }
    await Promise.all(services.map((service) => this.#refreshOne(service)));
  }

  async #refreshOne(service: APIService): Promise<void> {
    const name = service.metadata.name!;
    const { resourceVersion } = service.metadata;
    const known = this.#known.get(name);
    const now = this.#clock.now();
    if (known && now - known.atMs < freshMs && known.resourceVersion === resourceVersion) return;
    const next: Known = {
      atMs: now,
      resourceVersion,
      v3: known?.v3 ?? {},
      v2: known?.v2,
      text: known?.text ?? '',
    };
    const own = `apis/${groupVersionOf(service)}`;
    try {
      const index = await this.#document(service, '/openapi/v3');
      const entry = index?.paths?.[own];
      next.v3 = entry?.serverRelativeURL ? { [own]: { serverRelativeURL: entry.serverRelativeURL } } : {};
      const v2 = await this.#document(service, '/openapi/v2');
      next.v2 = v2?.swagger === '2.0' ? filterPaths(v2, `${pathOf(service)}/`) : undefined;
      next.text = JSON.stringify(next.v2) ?? '';
    } catch (error) {
      this.#log.debug('OpenAPI of an API service failed', { name, error: String(error) });
    }
    this.#known.set(name, next);
    if (next.text !== (known?.text ?? '')) this.generation++;
  }

  async #document(service: APIService, path: string): Promise<any> {
    const response = await this.#send(service, path, '', aggregator);
    const body = await readBody(response, mostBytes);
    if (response.code === 404) return undefined;
    if (response.code !== 200) throw new Error(`${path} was answered with ${response.code}`);
    return JSON.parse(new TextDecoder().decode(body));
  }

  #send(service: APIService, path: string, query: string, user: User): Promise<OutboundResponse> {
    return this.#outbound.send(this.#remotes.calleeOf(service), {
      ...{ method: 'GET', path, timeoutMs },
      ...(query ? { query } : {}),
      headers: { accept: 'application/json', ...userHeaders(user) },
    });
  }

  /** Entries of the index of version 3. */
  get index(): Record<string, { serverRelativeURL: string }> {
    return Object.assign({}, ...[...this.#known.values()].map(({ v3 }) => v3));
  }
  /** Documents of version 2, of which only what is the server's own is left. */
  get documents(): Doc[] {
    return [...this.#known.values()].flatMap(({ v2 }) => (v2 ? [v2] : []));
  }

  /** The document of another server's group version, as it gives it; undefined for one of our own. */
  async v3(
    groupVersion: string,
    query: string,
    user: User,
  ): Promise<{ code: number; headers: Record<string, string>; body: Uint8Array } | undefined> {
    const service = this.#remotes.at(`/${groupVersion}`);
    if (!service) return undefined;
    const response = await this.#send(service, `/openapi/v3/${groupVersion}`, query, user);
    const headers: Record<string, string> = {};
    for (const name of ['content-type', 'etag', 'cache-control', 'vary']) {
      const value = response.headers[name];
      if (value !== undefined) headers[name] = String(value);
    }
    return { code: response.code, headers, body: await readBody(response, mostBytes) };
  }
}
