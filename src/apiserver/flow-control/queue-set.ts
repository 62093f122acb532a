// The seats of one priority level, and the queues in front of them. Source: KEP-1040, "Fair Queuing for Server Requests".
//
// Each queue is a server of its own in a virtual world, where all that have work get equal parts of the seats. A request is
// dispatched when its queue's virtual server would come to it next: `nextDispatchR` is when that is, on the meter R, which
// counts the seat-seconds that each busy queue has got.
import type { Clock, Timer } from '../../machinery/clock.ts';
import { Integrator, RatioHistogram } from './integrator.ts';
import type { FlowStats } from './stats.ts';

/** How many seats a request takes, and what it leaves to do after its end (events for watchers). */
export interface Work {
  seats: number;
  finalSeats: number;
  /** How long the final seats are taken. */
  lingerMs: number;
}

export const oneSeat: Work = { seats: 1, finalSeats: 0, lingerMs: 0 };

/** Why a request was not let in. */
export type Refusal = 'concurrency-limit' | 'queue-full' | 'time-out' | 'cancelled';

export interface QueueSetConfig {
  /** `exempt` limits nothing, `reject` has no queues. */
  mode: 'exempt' | 'reject' | 'queue';
  queues: number;
  handSize: number;
  queueLengthLimit: number;
}

/** What a request takes to execute, as assumed until it has; in seconds. */
const assumedSeconds = 0.003;

class Queue {
  readonly index: number;
  waiting: Ticket[] = [];
  executing = 0;
  seatsInUse = 0;
  /** Seat-seconds that wait. */
  workWaiting = 0;
  nextDispatchR = 0;
  constructor(index: number) {
    this.index = index;
  }
  get busy(): boolean {
    return this.waiting.length > 0 || this.executing > 0;
  }
}

/** A request that was let in or waits to be. `finish` is called once, when it has been let in and is over. */
export class Ticket {
  readonly set: QueueSet;
  readonly stats: FlowStats;
  readonly work: Work;
  readonly width: number;
  readonly flow: string;
  readonly arrivedMs: number;
  readonly arrivalR: number;
  queue: Queue | undefined;
  startedMs = 0;
  over = false;
  /** Whoever dumps the requests sees this. */
  readonly subject: unknown;
  settle: ((refusal: Refusal | undefined) => void) | undefined;
  timer: Timer | undefined;

  constructor(set: QueueSet, stats: FlowStats, work: Work, flow: string, nowMs: number, subject: unknown) {
    this.set = set;
    this.stats = stats;
    this.work = work;
    this.width = Math.max(work.seats, work.finalSeats);
    this.flow = flow;
    this.arrivedMs = nowMs;
    this.arrivalR = set.r;
    this.subject = subject;
  }
  /** Seat-seconds. */
  get total(): number {
    return this.work.seats * assumedSeconds + (this.work.finalSeats * this.work.lingerMs) / 1000;
  }
  finish(): void {
    if (this.over) return;
    this.over = true;
    this.set.finished(this);
  }
}

export class QueueSet {
  readonly name: string;
  readonly #clock: Clock;
  #config: QueueSetConfig;
  queues: Queue[] = [];
  /** Seats that there are now. */
  limit = 0;
  /** The meter of the virtual world: seat-seconds that each busy queue has got so far. */
  r = 0;
  #rAtMs: number;
  #busy = 0;
  #seatsInQueues = 0;
  #robin = 0;
  #enqueues = 0;
  /** The queue that was put into last. */
  #last: Queue | undefined;
  executing = 0;
  waiting = 0;
  seatsInUse = 0;
  seatsWaiting = 0;
  dispatched = 0;
  rejected = 0;
  timedOut = 0;
  cancelled = 0;
  dispatchR = 0;
  latestS = 0;
  readonly running = new Set<Ticket>();
  readonly demand: Integrator;
  readonly demandRatio: RatioHistogram;
  readonly waitingRatio: RatioHistogram;
  readonly executingRatio: RatioHistogram;
  readonly seatsRatio: RatioHistogram;

  constructor(name: string, clock: Clock, config: QueueSetConfig) {
    const now = clock.now();
    this.name = name;
    this.#clock = clock;
    this.#config = config;
    this.#rAtMs = now;
    this.demand = new Integrator(now);
    this.demandRatio = new RatioHistogram([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6], 1, now);
    const parts = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
    this.waitingRatio = new RatioHistogram(parts, 1, now);
    this.executingRatio = new RatioHistogram(parts, 1, now);
    const seats = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
    this.seatsRatio = new RatioHistogram(seats, 1, now);
    this.configure(config);
  }

  get config(): QueueSetConfig {
    return this.#config;
  }
  get idle(): boolean {
    return this.executing === 0 && this.waiting === 0 && this.seatsInUse === 0;
  }

  /** Queues are added at once; those that are too many are dealt to nobody, and drain. */
  configure(config: QueueSetConfig): void {
    const kept = this.#config;
    this.#config =
      config.mode === 'queue'
        ? config
        : { ...config, handSize: kept.handSize, queueLengthLimit: kept.queueLengthLimit };
    for (let i = this.queues.length; i < config.queues && config.mode === 'queue'; i++)
      this.queues.push(new Queue(i));
    this.waitingRatio.limit = Math.max(1, config.queueLengthLimit * Math.max(1, config.queues));
  }

  /** Sets how many seats there are now; `denominator` is what ratios are to. */
  setLimit(limit: number, denominator: number): void {
    this.#advance(this.#clock.now());
    this.limit = limit;
    this.executingRatio.limit = denominator;
    this.seatsRatio.limit = denominator;
    this.demandRatio.limit = denominator;
    this.#dispatchAll();
  }

  /** Lets in at once what runs in this process, but counts its seats. */
  enter(stats: FlowStats, work: Work, flow: string, nowMs: number, subject: unknown): Ticket {
    const ticket = new Ticket(this, stats, work, flow, nowMs, subject);
    this.#begin(ticket, nowMs);
    return ticket;
  }

  /**
   * Asks for seats. What can begin now is let in at once; what has to wait gives a promise, which is settled within
   * `waitMs`, and at once when `gone` aborts.
   */
  start(
    stats: FlowStats,
    work: Work,
    flow: string,
    hand: readonly number[] | undefined,
    nowMs: number,
    waitMs: number,
    gone: () => AbortSignal,
    subject: unknown,
  ): Ticket | Refusal | Promise<Ticket | Refusal> {
    if (this.#config.mode !== 'queue' || !hand) {
      if (this.#config.mode !== 'exempt' && !this.#fits(Math.max(work.seats, work.finalSeats)))
        return this.#refuse(stats, 'concurrency-limit');
      return this.enter(stats, work, flow, nowMs, subject);
    }
    this.#advance(nowMs);
    const queue = this.#choose(hand);
    if (this.seatsInUse >= this.limit && queue.waiting.length >= this.#config.queueLengthLimit)
      return this.#refuse(stats, 'queue-full');
    const ticket = new Ticket(this, stats, work, flow, nowMs, subject);
    this.#enqueue(ticket, queue);
    stats.queueLength.observe(queue.waiting.length);
    this.#dispatchAll();
    if (ticket.startedMs) return ticket;
    return new Promise((resolve) => {
      const signal = gone();
      const give = (refusal: 'time-out' | 'cancelled') => this.#eject(ticket, refusal);
      const leave = () => give('cancelled');
      ticket.settle = (refusal) => {
        ticket.timer?.cancel();
        signal.removeEventListener('abort', leave);
        stats.wait(refusal === undefined, this.#clock.now() - nowMs);
        resolve(refusal ?? ticket);
      };
      ticket.timer = this.#clock.after(waitMs, () => give('time-out'));
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  #refuse(stats: FlowStats, refusal: 'concurrency-limit' | 'queue-full'): Refusal {
    this.rejected++;
    stats.rejected(refusal);
    return refusal;
  }

  /** Of a flow's hand, the queue with the least work before it. */
  #choose(hand: readonly number[]): Queue {
    const offset = this.#enqueues++ % hand.length;
    let best = this.queues[hand[offset]!]!;
    for (let i = 1; i < hand.length && best.workWaiting > 0; i++) {
      const queue = this.queues[hand[(offset + i) % hand.length]!]!;
      if (queue.workWaiting < best.workWaiting) best = queue;
    }
    return best;
  }

  #enqueue(ticket: Ticket, queue: Queue): void {
    if (!queue.busy) {
      queue.nextDispatchR = this.r;
      this.#busy++;
    }
    ticket.queue = queue;
    queue.waiting.push(ticket);
    this.#last = queue;
    queue.workWaiting += ticket.total;
    this.#seatsInQueues += ticket.width;
    this.waiting++;
    this.seatsWaiting += ticket.width;
    ticket.stats.queued(1, ticket.width);
    this.#bound(queue);
    this.#note(ticket.arrivedMs);
  }

  #dequeue(ticket: Ticket, at = 0): void {
    const queue = ticket.queue!;
    if (at === 0) queue.waiting.shift();
    else queue.waiting.splice(at, 1);
    queue.workWaiting = queue.waiting.length ? queue.workWaiting - ticket.total : 0;
    this.#seatsInQueues -= ticket.width;
    this.waiting--;
    this.seatsWaiting -= ticket.width;
    ticket.stats.queued(-1, -ticket.width);
  }

  /** It has waited too long, or the client is gone. */
  #eject(ticket: Ticket, refusal: 'time-out' | 'cancelled'): void {
    const queue = ticket.queue!;
    const at = queue.waiting.indexOf(ticket);
    if (at < 0) return;
    this.#advance(this.#clock.now());
    this.#dequeue(ticket, at);
    if (!queue.busy) this.#busy--;
    this.#bound(queue);
    this.#note(this.#clock.now());
    this.rejected++;
    if (refusal === 'time-out') this.timedOut++;
    else this.cancelled++;
    ticket.stats.rejected(refusal);
    ticket.settle!(refusal);
    this.#dispatchAll();
  }

  #fits(width: number): boolean {
    if (width > this.limit) return this.executing === 0;
    return this.seatsInUse + width <= this.limit;
  }

  #dispatchAll(): void {
    while (this.waiting > 0 && this.seatsInUse < this.limit && this.#dispatchOne()) {}
  }

  /** The queue whose oldest request would be done first in the virtual world; in turn among equals. */
  #dispatchOne(): boolean {
    const { queues } = this;
    let chosen: Queue | undefined;
    let soonest = Number.POSITIVE_INFINITY;
    // By far the most often: nothing waits but what has just come.
    if (this.waiting === 1 && this.#last?.waiting.length) chosen = this.#last;
    else {
      for (let i = 1; i <= queues.length; i++) {
        const queue = queues[(this.#robin + i) % queues.length]!;
        const oldest = queue.waiting[0];
        if (!oldest) continue;
        const finish = queue.nextDispatchR + oldest.total;
        if (finish < soonest) {
          soonest = finish;
          chosen = queue;
        }
      }
    }
    const ticket = chosen?.waiting[0];
    if (!chosen || !ticket) return false;
    if (!this.#fits(ticket.width)) {
      ticket.stats.notAccommodated();
      return false;
    }
    this.#robin = chosen.index;
    const now = this.#clock.now();
    this.#dequeue(ticket);
    this.dispatchR = this.r;
    this.latestS = chosen.nextDispatchR;
    chosen.nextDispatchR += ticket.total;
    chosen.executing++;
    chosen.seatsInUse += ticket.width;
    this.#seatsInQueues += ticket.width;
    this.#bound(chosen);
    this.#begin(ticket, now);
    const { settle } = ticket;
    if (settle) settle(undefined);
    else ticket.stats.wait(true, 0);
    return true;
  }
  #begin(ticket: Ticket, nowMs: number): void {
    ticket.startedMs = nowMs;
    this.executing++;
    this.dispatched++;
    this.seatsInUse += ticket.width;
    this.running.add(ticket);
    ticket.stats.began(ticket.width);
    this.#note(nowMs);
  }

  finished(ticket: Ticket): void {
    const now = this.#clock.now();
    this.#advance(now);
    const { queue, stats, work } = ticket;
    const tookMs = now - ticket.startedMs;
    this.executing--;
    this.running.delete(ticket);
    stats.ended(tookMs);
    if (queue) {
      queue.executing--;
      // What it really took, instead of what was assumed.
      queue.nextDispatchR -= work.seats * (assumedSeconds - tookMs / 1000);
      this.#bound(queue);
    }
    const release = () => {
      this.seatsInUse -= ticket.width;
      stats.released(ticket.width);
      if (queue) {
        queue.seatsInUse -= ticket.width;
        this.#seatsInQueues -= ticket.width;
      }
    };
    if (work.lingerMs > 0 && this.#config.mode !== 'exempt') {
      this.#clock.after(work.lingerMs, () => {
        const later = this.#clock.now();
        this.#advance(later);
        release();
        this.#note(later);
        this.#dispatchAll();
      });
    } else release();
    if (queue && !queue.busy) this.#busy--;
    this.#note(now);
    if (this.waiting) this.#dispatchAll();
  }

  /** Moves the meter on by what each busy queue has got since. */
  #advance(nowMs: number): void {
    const seconds = (nowMs - this.#rAtMs) / 1000;
    if (seconds <= 0) return;
    this.#rAtMs = nowMs;
    if (this.#busy) this.r += (Math.min(this.#seatsInQueues, this.limit) / this.#busy) * seconds;
  }

  /** A queue that did not use its part must not save it up: nothing is dispatched before it came. */
  #bound(queue: Queue): void {
    const oldest = queue.waiting[0];
    if (oldest && queue.nextDispatchR < oldest.arrivalR) queue.nextDispatchR = oldest.arrivalR;
  }

  #note(nowMs: number): void {
    const demand = this.seatsInUse + this.seatsWaiting;
    this.demand.set(demand, nowMs);
    this.demandRatio.set(demand, nowMs);
    this.seatsRatio.set(this.seatsInUse, nowMs);
    this.executingRatio.set(this.executing, nowMs);
    if (this.waitingRatio.value !== this.waiting) this.waitingRatio.set(this.waiting, nowMs);
  }
}
