import type { Counter, Family, Gauge, Histogram, MetricRegistry } from '../../machinery/metrics.ts';
import type { RatioHistogram } from './integrator.ts';
import type { Refusal } from './queue-set.ts';

const seconds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const byFlow = ['priority_level', 'flow_schema'];
const byLevel = ['priority_level'];

/** The metrics of flow control, by upstream's names. Source: "Kubernetes Metrics Reference", apiserver_flowcontrol_*. */
export function flowMetrics(registry: MetricRegistry) {
  const name = (rest: string) => `apiserver_flowcontrol_${rest}`;
  const counter = (rest: string, help: string, labels: string[], stability: 'ALPHA' | 'BETA' = 'ALPHA') =>
    registry.counter(name(rest), help, labels, stability);
  const gauge = (rest: string, help: string, labels: string[], stability: 'ALPHA' | 'BETA' = 'ALPHA') =>
    registry.gauge(name(rest), help, labels, stability);
  const histogram = (
    rest: string,
    help: string,
    labels: string[],
    bounds: number[],
    stability: 'ALPHA' | 'BETA' = 'ALPHA',
  ) => registry.histogram(name(rest), help, labels, bounds, stability);
  return {
    rejected: counter(
      'rejected_requests_total',
      'Number of requests rejected by API Priority and Fairness subsystem',
      [...byFlow, 'reason'],
      'BETA',
    ),
    dispatched: counter(
      'dispatched_requests_total',
      'Number of requests executed by API Priority and Fairness subsystem',
      byFlow,
      'BETA',
    ),
    inQueue: gauge(
      'current_inqueue_requests',
      'Number of requests currently pending in queues of the API Priority and Fairness subsystem',
      byFlow,
      'BETA',
    ),
    inQueueSeats: gauge(
      'current_inqueue_seats',
      'Number of seats currently pending in queues of the API Priority and Fairness subsystem',
      byFlow,
    ),
    executing: gauge(
      'current_executing_requests',
      'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem',
      byFlow,
      'BETA',
    ),
    executingSeats: gauge(
      'current_executing_seats',
      'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
      byFlow,
      'BETA',
    ),
    queueLength: histogram(
      'request_queue_length_after_enqueue',
      'Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued',
      byFlow,
      [0, 10, 25, 50, 100, 250, 500, 1000],
    ),
    wait: histogram(
      'request_wait_duration_seconds',
      'Length of time a request spent waiting in its queue',
      [...byFlow, 'execute'],
      seconds,
      'BETA',
    ),
    execution: histogram(
      'request_execution_seconds',
      'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem',
      [...byFlow, 'type'],
      seconds,
    ),
    watchCount: histogram(
      'watch_count_samples',
      'count of watchers for mutating requests in API Priority and Fairness',
      byFlow,
      [0, 1, 10, 100, 1000, 10_000],
    ),
    estimatedSeats: histogram(
      'work_estimated_seats',
      'Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness',
      byFlow,
      [1, 2, 4, 8, 16, 32, 64, 100],
    ),
    notAccommodated: counter(
      'request_dispatch_no_accommodation_total',
      'Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats',
      byFlow,
    ),
    nominal: gauge(
      'nominal_limit_seats',
      'Nominal number of execution seats configured for each priority level',
      byLevel,
      'BETA',
    ),
    lower: gauge(
      'lower_limit_seats',
      'Configured lower bound on number of execution seats available to each priority level',
      byLevel,
    ),
    upper: gauge(
      'upper_limit_seats',
      'Configured upper bound on number of execution seats available to each priority level',
      byLevel,
    ),
    current: gauge(
      'current_limit_seats',
      'current derived number of execution seats available to each priority level',
      byLevel,
    ),
    demandPeak: gauge(
      'demand_seats_high_watermark',
      'High watermark, over last adjustment period, of demand_seats',
      byLevel,
    ),
    demandAverage: gauge(
      'demand_seats_average',
      'Time-weighted average, over last adjustment period, of demand_seats',
      byLevel,
    ),
    demandDeviation: gauge(
      'demand_seats_stdev',
      'Time-weighted standard deviation, over last adjustment period, of demand_seats',
      byLevel,
    ),
    demandSmoothed: gauge('demand_seats_smoothed', 'Smoothed seat demands', byLevel),
    target: gauge('target_seats', 'Seat allocation targets', byLevel),
    fairShare: gauge(
      'seat_fair_frac',
      "Fair fraction of server's concurrency to allocate to each priority level that can use it",
      [],
    ),
    currentR: gauge('current_r', 'R(time of last change)', byLevel),
    dispatchR: gauge('dispatch_r', 'R(time of last dispatch)', byLevel),
    latestS: gauge('latest_s', 'S(most recently dispatched request)', byLevel),
    nextBounds: gauge('next_s_bounds', 'min and max, over queues, of S(oldest waiting request in queue)', [
      ...byLevel,
      'bound',
    ]),
    demandSeats: registry.distribution(
      name('demand_seats'),
      'Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)',
      byLevel,
      never,
    ),
    seatUtilization: registry.distribution(
      name('priority_level_seat_utilization'),
      'Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)',
      [...byLevel, 'phase'],
      never,
    ),
    requestUtilization: registry.distribution(
      name('priority_level_request_utilization'),
      'Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)',
      ['phase', ...byLevel],
      never,
    ),
  };
}
export type FlowMetrics = ReturnType<typeof flowMetrics>;

function never(): RatioHistogram {
  throw new Error('these are put in by their priority level');
}

/** What is counted of the requests of one flow schema at one priority level: each is a field to add to. */
export class FlowStats {
  readonly level: string;
  readonly schema: string;
  readonly queueLength: Histogram;
  readonly watchCount: Histogram;
  readonly estimatedSeats: Histogram;
  readonly #metrics: FlowMetrics;
  readonly #dispatched: Counter;
  readonly #inQueue: Gauge;
  readonly #inQueueSeats: Gauge;
  readonly #executing: Gauge;
  readonly #executingSeats: Gauge;
  readonly #waited: Histogram;
  readonly #execution: Histogram;

  constructor(metrics: FlowMetrics, level: string, schema: string) {
    this.level = level;
    this.schema = schema;
    this.#metrics = metrics;
    const of = <M>(family: Family<M>): M => family.with(level, schema);
    this.queueLength = of(metrics.queueLength);
    this.watchCount = of(metrics.watchCount);
    this.estimatedSeats = of(metrics.estimatedSeats);
    this.#dispatched = of(metrics.dispatched);
    this.#inQueue = of(metrics.inQueue);
    this.#inQueueSeats = of(metrics.inQueueSeats);
    this.#executing = of(metrics.executing);
    this.#executingSeats = of(metrics.executingSeats);
    this.#waited = metrics.wait.with(level, schema, 'true');
    this.#execution = metrics.execution.with(level, schema, 'regular');
  }
  rejected(reason: Refusal): void {
    this.#metrics.rejected.with(this.level, this.schema, reason).value++;
  }
  notAccommodated(): void {
    this.#metrics.notAccommodated.with(this.level, this.schema).value++;
  }
  queued(requests: number, seats: number): void {
    this.#inQueue.value += requests;
    this.#inQueueSeats.value += seats;
  }
  wait(executes: boolean, tookMs: number): void {
    if (executes) this.#waited.observe(tookMs / 1000);
    else this.#metrics.wait.with(this.level, this.schema, 'false').observe(tookMs / 1000);
  }
  began(seats: number): void {
    this.#dispatched.value++;
    this.#executing.value++;
    this.#executingSeats.value += seats;
  }
  ended(tookMs: number): void {
    this.#executing.value--;
    this.#execution.observe(tookMs / 1000);
  }
  released(seats: number): void {
    this.#executingSeats.value -= seats;
  }
}
