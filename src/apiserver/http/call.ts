import type { Gauge } from '../../machinery/metrics.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Attributes } from '../authz/rbac.ts';
import type { Context, User } from '../context.ts';
import type { Flow } from '../flow-control/flow-control.ts';
import type { Ticket } from '../flow-control/queue-set.ts';
import type { ApiServer } from '../server.ts';
import type { Exchange } from './exchange.ts';

const mostAuditId = 64;

/** Subresources whose answers go on for as long as the client likes: they take no seats. */
const longRunning = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);
export const isLongRunning = ({ verb, subresource }: Pick<Attributes, 'verb' | 'subresource'>): boolean =>
  verb === 'watch' || (subresource !== undefined && longRunning.has(subresource));
const readOnly = new Set(['get', 'list', 'watch']);

/** One request from when it came until it is answered: what it takes, and what is counted and written down of it. */
export class Call {
  readonly server: ApiServer;
  readonly exchange: Exchange;
  readonly beganMs: number;
  /** What is asked for, and by whom: known once the request is read. */
  attributes: Attributes | undefined;
  /** Set for resources that we serve. */
  context: Context | undefined;
  trail: AuditTrail | undefined;
  #ticket: Ticket | undefined;
  #gauge: Gauge | undefined;
  #waitedMs = 0;

  constructor(server: ApiServer, exchange: Exchange) {
    this.server = server;
    this.exchange = exchange;
    this.beganMs = server.registry.clock.now();
    exchange.extra['audit-id'] = exchange.header('audit-id')?.slice(0, mostAuditId) || server.registry.uuid();
  }
  get auditId(): string {
    return this.exchange.extra['audit-id']!;
  }

  /** From here on the audit log knows of it. */
  knows(attributes: Attributes, context?: Context): void {
    this.attributes = attributes;
    this.context = context;
    const { auditor, metrics } = this.server;
    const old = context?.served.deprecation !== undefined;
    if (old) metrics.requests.deprecated(context!.served.kind, context!.subresource ?? '', '');
    if (!auditor) return;
    this.trail = auditor.begin({
      auditId: this.auditId,
      beganMs: this.beganMs,
      attributes,
      context,
      uri: this.exchange.path + this.exchange.search,
      userAgent: this.exchange.header('user-agent') ?? '',
      sourceIPs: sourcesOf(this.exchange),
    });
    if (old) this.trail?.annotate('k8s.io/deprecated', 'true');
  }

  /** The one who asks acts as somebody else. */
  actsAs(user: User): void {
    this.attributes!.user = user;
    if (this.context) this.context.user = user;
    this.trail?.impersonates(user);
  }

  /** Waits for its turn, if it has to. Throws 429. */
  takeSeats(): Promise<void> | undefined {
    const { server, exchange, context } = this;
    const attributes = this.attributes!;
    if (isLongRunning(attributes) && attributes.verb !== 'watch') {
      this.#goesOn();
      return undefined;
    }
    const flow: Flow = server.flow.classify(attributes);
    Object.assign(exchange.extra, flow.headers);
    const cache = context && server.registry.caches.of(context.served.storage, context.served.custom);
    const taken = server.flow.start(flow, attributes, context?.options, cache, () => exchange.signal);
    if (taken instanceof Promise) return this.#queue(taken);
    this.#seated(taken);
    return undefined;
  }
  async #queue(waiting: Promise<Ticket>): Promise<void> {
    const { clock } = this.server.registry;
    const queue = this.server.metrics.requests.inQueue[this.#kind];
    const sinceMs = clock.now();
    queue.add(1, sinceMs);
    try {
      this.#seated(await waiting);
    } finally {
      const now = clock.now();
      queue.add(-1, now);
      this.#waitedMs = now - sinceMs;
    }
  }
  #seated(ticket: Ticket): void {
    this.#ticket = ticket;
    this.server.metrics.requests.inFlight[this.#kind].add(1, ticket.startedMs);
    if (this.attributes!.verb === 'watch') this.#goesOn();
  }
  get #kind(): 'readOnly' | 'mutating' {
    return readOnly.has(this.attributes!.verb) ? 'readOnly' : 'mutating';
  }
  #goesOn(): void {
    if (!this.context) return;
    this.#gauge = this.server.metrics.requests.longRunning(this.context);
    this.#gauge.value++;
    const { trail, exchange } = this;
    if (!trail) return;
    const { stream } = exchange;
    exchange.stream = (code, headers) => {
      trail.responseStarted(code);
      return stream(code, headers);
    };
  }

  /** The part that takes seats is over: all of it, or of a watch its beginning. */
  freeSeats(): void {
    if (!this.#ticket) return;
    this.#ticket.finish();
    this.#ticket = undefined;
    const { requests } = this.server.metrics;
    requests.inFlight[this.#kind].add(-1, this.server.registry.clock.now());
  }

  /** It is answered, or the client is gone. `failure`: the code of the Status that it was answered with. */
  end(failure: number | undefined): void {
    this.freeSeats();
    if (this.#gauge) this.#gauge.value--;
    const { server, exchange, context, attributes } = this;
    const { requests } = server.metrics;
    const code = failure ?? (exchange.code || context?.code || 200);
    const tookMs = server.registry.clock.now() - this.beganMs;
    if (context) {
      requests.observe(context, code, tookMs, exchange.sent, this.#waitedMs);
      if (code === 429 || code === 504) requests.terminated(context, code);
    } else requests.observePath(exchange.method, attributes?.path ?? '', code, tookMs);
    this.trail?.complete(code);
  }
}

/** Where it came from: proxies before us first say from where they had it. */
function sourcesOf(exchange: Exchange): string[] {
  const forwarded = (exchange.header('x-forwarded-for') ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
  const real = exchange.header('x-real-ip');
  const before = forwarded.length ? forwarded : real ? [real] : [];
  return before.at(-1) === exchange.remote ? before : [...before, exchange.remote];
}
