// Who is served when not all can be: requests are sorted into flows and priority levels, and each level has its seats.
// Source: "API Priority and Fairness", KEP-1040.
import { mandatoryLevels, mandatorySchemas } from '../../api/flowcontrol/bootstrap.ts';
import { flowSchemas } from '../../api/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../api/flowcontrol/priority-level-configuration.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/flowcontrol/v1.gen.ts';
import type { Options } from '../../client/client.ts';
import type { Clock } from '../../machinery/clock.ts';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import { tooManyRequests } from '../../machinery/status.ts';
import type { Attributes } from '../authz/rbac.ts';
import type { Caches } from '../cache/caches.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { estimate } from './estimate.ts';
import { adjustSeats, configureSeats, isUsable, Level } from './levels.ts';
import { distinguisherOf, matches } from './match.ts';
import type { Ticket } from './queue-set.ts';
import { type FlowMetrics, FlowStats, flowMetrics } from './stats.ts';

const adjustEveryMs = 10_000;
/** A quarter of the minute that a request may take. */
const waitMs = 15_000;

/** A flow schema at work. */
export interface Flow {
  schema: FlowSchema;
  level: Level;
  stats: FlowStats;
  /** `X-Kubernetes-PF-*`: which schema and level a request was sorted into. */
  headers: Record<string, string>;
}

export interface FlowControlOptions {
  caches: Caches;
  clock: Clock;
  metrics: MetricRegistry;
  /** How many requests are served at once, all levels together. */
  totalSeats: number;
}

export class FlowControl {
  readonly #caches: Caches;
  readonly #clock: Clock;
  readonly #metrics: FlowMetrics;
  readonly #totalSeats: number;
  readonly levels = new Map<string, Level>();
  readonly #stats = new Map<string, FlowStats>();
  #flows: Flow[] = [];
  #stale = true;
  readonly #stop: (() => void)[] = [];
  /** Called when the configuration has changed. */
  onChange: () => void = () => {};

  constructor({ caches, clock, metrics, totalSeats }: FlowControlOptions) {
    this.#caches = caches;
    this.#clock = clock;
    this.#totalSeats = totalSeats;
    this.#metrics = flowMetrics(metrics);
    for (const kind of [priorityLevelConfigurations, flowSchemas]) {
      const cache = caches.of(kind)!;
      this.#stop.push(
        cache.watch(cache.revision, () => {
          this.#stale = true;
          this.onChange();
        }),
      );
    }
    metrics.beforeRender(() => this.#collect());
    this.#adjustLater();
  }

  #adjustLater(): void {
    const timer = this.#clock.after(adjustEveryMs, () => {
      this.#adjustLater();
      if (!this.#stale) this.#adjust();
    });
    this.#stop[2] = () => timer.cancel();
  }
  #adjust(): void {
    adjustSeats(this.levels.values(), this.#totalSeats, this.#clock.now(), this.#metrics);
    for (const level of this.levels.values()) if (level.quiescing && level.set.idle) this.#stale = true;
  }

  stop(): void {
    for (const stop of this.#stop) stop();
  }

  objects<T>(kind: typeof flowSchemas | typeof priorityLevelConfigurations): T[] {
    return [...(this.#caches.of(kind)?.entries.values() ?? [])].map((entry) => entry.object as T);
  }

  /** Schemas in the order in which they are tried, and the levels that they lead to. */
  #digest(): void {
    this.#stale = false;
    const given = this.objects<PriorityLevelConfiguration>(priorityLevelConfigurations).filter(isUsable);
    const wanted = new Map(given.map((object) => [object.metadata.name!, object]));
    // These two are there even when nobody has written them yet.
    for (const object of mandatoryLevels)
      if (!wanted.has(object.metadata.name!)) wanted.set(object.metadata.name!, object);
    const fresh = new Set<Level>();
    for (const [name, object] of wanted) {
      const known = this.levels.get(name);
      if (known) known.use(object);
      else {
        const level = new Level(object, this.#clock);
        fresh.add(level);
        this.levels.set(name, level);
        const { set } = level;
        this.#metrics.demandSeats.put([name], set.demandRatio);
        this.#metrics.seatUtilization.put([name, 'executing'], set.seatsRatio);
        this.#metrics.requestUtilization.put(['executing', name], set.executingRatio);
        this.#metrics.requestUtilization.put(['waiting', name], set.waitingRatio);
      }
    }
    for (const [name, level] of this.levels) {
      if (wanted.has(name)) continue;
      level.quiescing = true;
      if (level.set.idle) this.levels.delete(name);
    }
    configureSeats(this.levels.values(), this.#totalSeats, this.#metrics, fresh);
    adjustSeats(this.levels.values(), this.#totalSeats, this.#clock.now(), this.#metrics);
    this.#sortSchemas(wanted);
  }

  #sortSchemas(levels: ReadonlyMap<string, unknown>): void {
    const schemas = this.objects<FlowSchema>(flowSchemas).filter((schema) =>
      levels.has(schema.spec.priorityLevelConfiguration.name),
    );
    schemas.sort(
      (a, b) =>
        (a.spec.matchingPrecedence ?? 0) - (b.spec.matchingPrecedence ?? 0) ||
        (a.metadata.name! < b.metadata.name! ? -1 : 1),
    );
    const [exempt, catchAll] = mandatorySchemas as [FlowSchema, FlowSchema];
    if (!schemas.some((s) => s.metadata.name === 'exempt')) schemas.unshift(exempt);
    if (!schemas.some((s) => s.metadata.name === 'catch-all')) schemas.push(catchAll);
    this.#flows = schemas.map((schema) => {
      const level = this.levels.get(schema.spec.priorityLevelConfiguration.name)!;
      const key = `${level.name}\n${schema.metadata.name}`;
      let stats = this.#stats.get(key);
      if (!stats) {
        stats = new FlowStats(this.#metrics, level.name, schema.metadata.name!);
        this.#stats.set(key, stats);
      }
      const headers = {
        'x-kubernetes-pf-flowschema-uid': schema.metadata.uid ?? '',
        'x-kubernetes-pf-prioritylevel-uid': level.uid,
      };
      return { schema, level, stats, headers };
    });
  }

  /** The flow of a request. What no schema wants goes the way of catch-all. */
  classify(attributes: Attributes): Flow {
    if (this.#stale) this.#digest();
    for (const flow of this.#flows) if (matches(flow.schema, attributes)) return flow;
    return this.#flows.find(({ schema }) => schema.metadata.name === 'catch-all')!;
  }

  /** Lets a request of this process in: its seats are counted, but it is not made to wait, nor turned away. */
  enter(flow: Flow, attributes: Attributes, options: Options, cache: ResourceCache | undefined): Ticket {
    const { level, stats } = flow;
    const work = estimate(attributes.verb, options, attributes.name, cache, level.mostSeatsOfOne);
    return level.set.enter(stats, work, '', this.#clock.now(), attributes);
  }

  /**
   * Waits for seats. Throws 429 where there are none, and all that may wait do. `gone` is asked for only when the
   * request has to wait.
   */
  start(
    flow: Flow,
    attributes: Attributes,
    options: Options | undefined,
    cache: ResourceCache | undefined,
    gone: () => AbortSignal,
  ): Ticket | Promise<Ticket> {
    const { level, stats, schema } = flow;
    const work = estimate(attributes.verb, options, attributes.name, cache, level.mostSeatsOfOne);
    stats.estimatedSeats.observe(Math.max(work.seats, work.finalSeats));
    const now = this.#clock.now();
    const distinguisher = level.exempt ? '' : distinguisherOf(schema, attributes);
    const hand = level.hand(schema.metadata.name!, distinguisher);
    const outcome = level.set.start(stats, work, distinguisher, hand, now, waitMs, gone, attributes);
    if (outcome instanceof Promise)
      return outcome.then((late) => (typeof late === 'string' ? this.#refuse(level) : late));
    return typeof outcome === 'string' ? this.#refuse(level) : outcome;
  }
  #refuse(level: Level): never {
    const seconds = level.retryAfter.refused(this.#clock.now());
    throw tooManyRequests('Too many requests, please try again later.', seconds);
  }

  /** Brings figures up to date that are only worked out when somebody looks. */
  #collect(): void {
    if (this.#stale) this.#digest();
    const now = this.#clock.now();
    for (const { name, set } of this.levels.values()) {
      for (const ratio of [set.demandRatio, set.seatsRatio, set.executingRatio, set.waitingRatio])
        ratio.advance(now);
      this.#metrics.currentR.with(name).set(set.r);
      if (set.config.mode !== 'queue') continue;
      this.#metrics.dispatchR.with(name).set(set.dispatchR);
      this.#metrics.latestS.with(name).set(set.latestS);
      const next = set.queues.filter((q) => q.waiting.length).map((q) => q.nextDispatchR);
      if (!next.length) continue;
      this.#metrics.nextBounds.with(name, 'min').set(Math.min(...next));
      this.#metrics.nextBounds.with(name, 'max').set(Math.max(...next));
    }
  }
}
