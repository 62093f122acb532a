/** Values are told apart when they differ by this: a quantile is exact to half of it. */
const step = 1.02;
const least = 1e-6;
const perLog = 1 / Math.log(step);
/** Up to a thousand seconds. */
const places = Math.ceil(Math.log(1e9) * perLog) + 1;
const ages = 5;

/** Quantiles of what was observed lately, as Prometheus' summaries give them; sum and count are of all that ever was. */
export class Summary {
  static readonly quantiles: readonly number[] = [0.5, 0.9, 0.99];
  sum = 0;
  count = 0;
  readonly #maxAgeMs: number;
  /** The last parts of the time that counts; `#age` is the number of the newest. */
  readonly #parts: (Uint32Array | undefined)[] = new Array(ages).fill(undefined);
  #age = 0;

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }
  observe(value: number, nowMs: number): void {
    this.sum += value;
    this.count++;
    this.#turn(nowMs);
    const part = (this.#parts[this.#age % ages] ??= new Uint32Array(places));
    const place = value <= least ? 0 : Math.ceil(Math.log(value / least) * perLog);
    part[Math.min(place, places - 1)]!++;
  }
  /** NaN when nothing was observed lately. */
  quantile(share: number, nowMs: number): number {
    this.#turn(nowMs);
    const parts = this.#parts.filter((part) => part !== undefined);
    const total = parts.reduce((sum, part) => sum + part.reduce((a, b) => a + b, 0), 0);
    if (!total) return Number.NaN;
    const wanted = Math.max(1, Math.ceil(share * total));
    let seen = 0;
    for (let place = 0; place < places; place++) {
      for (const part of parts) seen += part[place]!;
      if (seen >= wanted) return least * step ** (place - 0.5);
    }
    return Number.NaN;
  }
  #turn(nowMs: number): void {
    const age = Math.floor(nowMs / (this.#maxAgeMs / ages));
    if (age <= this.#age) return;
    for (let old = Math.max(this.#age + 1, age - ages + 1); old <= age; old++)
      this.#parts[old % ages] = undefined;
    this.#age = age;
  }
}
