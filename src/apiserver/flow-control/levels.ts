import type { PriorityLevelConfiguration } from '../../api/flowcontrol/v1.gen.ts';
import type { Clock } from '../../machinery/clock.ts';
import { type Allocation, allocate } from './allocate.ts';
import { QueueSet, type QueueSetConfig } from './queue-set.ts';
import { RetryAfter } from './retry-after.ts';
import { handOf } from './shuffle.ts';
import type { FlowMetrics } from './stats.ts';

/** Of the smoothed demand, how much is kept at each adjustment: half of it is gone after five minutes. */
const smoothing = 0.977;
/** Flows whose hands are remembered. */
const mostHands = 4096;

/** A priority level at work. */
export class Level {
  readonly name: string;
  object: PriorityLevelConfiguration;
  readonly set: QueueSet;
  readonly retryAfter = new RetryAfter();
  /** Its object is gone, but it still has requests. */
  quiescing = false;
  /** Seats: as configured, what is left when all is lent, what it can have at most, what it has now. */
  nominal = 0;
  least = 0;
  most = 0;
  current = 0;
  /** What one request may be estimated to need. */
  mostSeatsOfOne = 10;
  smoothedDemand = 0;
  peakDemand = 0;
  #hands = new Map<string, number[]>();

  constructor(object: PriorityLevelConfiguration, clock: Clock) {
    this.name = object.metadata.name!;
    this.object = object;
    this.set = new QueueSet(this.name, clock, queueing(object));
  }
  get exempt(): boolean {
    return this.object.spec.type === 'Exempt';
  }
  get uid(): string {
    return this.object.metadata.uid ?? '';
  }
  get shares(): number {
    const { limited, exempt } = this.object.spec;
    return (this.exempt ? exempt?.nominalConcurrencyShares : limited?.nominalConcurrencyShares) ?? 0;
  }
  use(object: PriorityLevelConfiguration): void {
    this.quiescing = false;
    if (object === this.object) return;
    this.object = object;
    this.set.configure(queueing(object));
    this.#hands.clear();
  }
  /** The queues of a flow; undefined where there are none to choose from. */
  hand(schema: string, distinguisher: string): number[] | undefined {
    const { mode, queues, handSize } = this.set.config;
    if (mode !== 'queue') return undefined;
    const flow = `${schema}\n${distinguisher}`;
    let hand = this.#hands.get(flow);
    if (!hand) {
      if (this.#hands.size >= mostHands) this.#hands.clear();
      hand = handOf(flow, queues, handSize);
      this.#hands.set(flow, hand);
    }
    return hand;
  }
}

function queueing({ spec }: PriorityLevelConfiguration): QueueSetConfig {
  const none = { queues: 0, handSize: 1, queueLengthLimit: 0 };
  if (spec.type === 'Exempt') return { mode: 'exempt', ...none };
  const queuing = spec.limited?.limitResponse?.queuing;
  if (!queuing) return { mode: 'reject', ...none };
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing;
  return { mode: 'queue', queues, handSize, queueLengthLimit };
}

/** Broken objects count as not there. */
export function isUsable({ metadata, spec }: PriorityLevelConfiguration): boolean {
  if ((spec?.type === 'Exempt') !== (metadata.name === 'exempt')) return false;
  if (spec.type === 'Exempt') return spec.exempt !== undefined && spec.limited === undefined;
  const response = spec.limited?.limitResponse;
  return spec.limited !== undefined && (response?.type === 'Reject') === (response?.queuing === undefined);
}

/** Divides the seats of the server among the levels as they are configured. */
export function configureSeats(
  levels: Iterable<Level>,
  totalSeats: number,
  metrics: FlowMetrics,
  fresh: ReadonlySet<Level>,
): void {
  const all = [...levels];
  const shares = all.reduce((sum, level) => sum + level.shares, 0);
  for (const level of all) {
    const { limited, exempt } = level.object.spec;
    const nominal = shares ? Math.ceil((totalSeats * level.shares) / shares) : 0;
    const percent = (level.exempt ? exempt?.lendablePercent : limited?.lendablePercent) ?? 0;
    const lendable = Math.round((nominal * percent) / 100);
    const borrowable =
      limited?.borrowingLimitPercent === undefined
        ? totalSeats
        : Math.round((nominal * limited.borrowingLimitPercent) / 100);
    level.nominal = nominal;
    level.least = nominal - lendable;
    level.most = nominal + borrowable;
    const { mode, handSize } = level.set.config;
    if (mode === 'queue')
      level.mostSeatsOfOne = Math.max(1, Math.min(Math.ceil(nominal * 0.15), Math.floor(nominal / handSize)));
    if (fresh.has(level)) level.current = nominal - Math.floor(lendable / 2);
    metrics.nominal.with(level.name).set(level.nominal);
    metrics.lower.with(level.name).set(level.least);
    metrics.upper.with(level.name).set(level.most);
  }
}

/** Lends seats that are not wanted to levels that want them, by what was wanted since the last time. */
export function adjustSeats(
  levels: Iterable<Level>,
  totalSeats: number,
  nowMs: number,
  metrics: FlowMetrics,
): void {
  const all = [...levels];
  for (const level of all) {
    const { average, deviation, peak, durationMs } = level.set.demand.take(nowMs);
    level.peakDemand = Math.round(peak);
    if (durationMs > 0) {
      const envelope = average + deviation;
      level.smoothedDemand = Math.max(
        envelope,
        smoothing * level.smoothedDemand + (1 - smoothing) * envelope,
      );
    }
    metrics.demandPeak.with(level.name).set(level.peakDemand);
    metrics.demandAverage.with(level.name).set(average);
    metrics.demandDeviation.with(level.name).set(deviation);
    metrics.demandSmoothed.with(level.name).set(level.smoothedDemand);
  }
  const floors = new Map(
    all.map((level) => [
      level,
      level.exempt
        ? Math.max(level.least, level.peakDemand)
        : Math.max(level.least, Math.min(level.nominal, level.peakDemand)),
    ]),
  );
  const limited = all.filter((level) => !level.exempt);
  const nominalSum = all.reduce((sum, level) => sum + level.nominal, 0);
  const taken = all.filter((l) => l.exempt).reduce((sum, level) => sum + floors.get(level)!, 0);
  const left = nominalSum - taken;
  const leastSum = limited.reduce((sum, level) => sum + level.least, 0);
  const floorSum = limited.reduce((sum, level) => sum + floors.get(level)!, 0);
  let division: Allocation | undefined;
  if (left > floorSum) {
    const claims = limited.map((level) => ({
      least: floors.get(level)!,
      most: level.most,
      target: Math.max(floors.get(level)!, level.smoothedDemand),
    }));
    division = allocate(nominalSum, claims);
  }
  metrics.fairShare.with().set(division?.fairShare ?? 0);
  for (const level of all) {
    const floor = floors.get(level)!;
    const at = limited.indexOf(level);
    if (level.exempt) level.current = floor;
    else if (division) level.current = Math.round(division.seats[at]!);
    else if (left <= leastSum) level.current = level.least;
    else {
      const part = (left - leastSum) / (floorSum - leastSum);
      level.current = level.least + Math.round((floor - level.least) * part);
    }
    metrics.target.with(level.name).set(Math.max(floor, level.smoothedDemand));
    metrics.current.with(level.name).set(level.current);
    level.set.setLimit(level.current, level.current || Math.max(1, Math.round(totalSeats / 10)));
  }
}
