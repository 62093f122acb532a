export interface Integrated {
  average: number;
  deviation: number;
  peak: number;
  durationMs: number;
}

/** Follows a quantity that changes in steps: its average over time, weighted by how long each value stood. */
export class Integrator {
  #value = 0;
  #since: number;
  #sum = 0;
  #squares = 0;
  #durationMs = 0;
  #peak = 0;

  constructor(nowMs: number) {
    this.#since = nowMs;
  }

  set(value: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#value = value;
    if (value > this.#peak) this.#peak = value;
  }
  #advance(nowMs: number): void {
    const took = nowMs - this.#since;
    if (took <= 0) return;
    this.#since = nowMs;
    this.#durationMs += took;
    this.#sum += this.#value * took;
    this.#squares += this.#value * this.#value * took;
  }
  /** What was since the last time; begins anew with the value of now. */
  take(nowMs: number): Integrated {
    this.#advance(nowMs);
    const durationMs = this.#durationMs;
    const average = durationMs ? this.#sum / durationMs : this.#value;
    const variance = durationMs ? this.#squares / durationMs - average * average : 0;
    const result = { average, deviation: Math.sqrt(Math.max(0, variance)), peak: this.#peak, durationMs };
    this.#sum = this.#squares = this.#durationMs = 0;
    this.#peak = this.#value;
    return result;
  }
}

/** How long a quantity stood at which part of its limit, as a histogram that counts nanoseconds. */
export class RatioHistogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;
  #value = 0;
  #limit: number;
  #ratio = 0;
  #bucket: number;
  #since: number;

  constructor(bounds: readonly number[], limit: number, nowMs: number) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
    this.#limit = limit;
    this.#since = nowMs;
    this.#bucket = this.#bucketOf(0);
  }
  get value(): number {
    return this.#value;
  }
  set limit(limit: number) {
    this.#limit = limit;
    this.#ratio = this.#value / limit;
    this.#bucket = this.#bucketOf(this.#ratio);
  }
  set(value: number, nowMs: number): void {
    this.advance(nowMs);
    if (value === this.#value) return;
    this.#value = value;
    this.#ratio = value / this.#limit;
    this.#bucket = this.#bucketOf(this.#ratio);
  }
  advance(nowMs: number): void {
    const took = nowMs - this.#since;
    if (took <= 0) return;
    this.#since = nowMs;
    const observations = Math.round(took * 1e6);
    this.count += observations;
    this.sum += this.#ratio * observations;
    if (this.#bucket < this.counts.length) this.counts[this.#bucket]! += observations;
  }
  #bucketOf(ratio: number): number {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && ratio > bounds[i]!) i++;
    return i;
  }
}
