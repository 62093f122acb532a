const most = 32;

/**
 * How many seconds those who are refused are told to wait: doubled while many are refused, one less when few are.
 * Seconds are those of the clock; the figure changes at most once a second.
 */
export class RetryAfter {
  seconds = 1;
  #second = -1;
  #count = 0;
  #raisedAt = Number.NEGATIVE_INFINITY;
  #history: { second: number; count: number }[] = [];

  /** Counts one that was refused, and gives what it is to be told. */
  refused(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      if (this.#count) this.#history.push({ second: this.#second, count: this.#count });
      this.#history = this.#history.filter((entry) => second - entry.second <= this.seconds * 2);
      this.#second = second;
      this.#count = 0;
      this.#adjust(second);
    }
    this.#count++;
    return this.seconds;
  }

  #adjust(second: number): void {
    const lately = this.#history
      .filter((entry) => second - entry.second <= this.seconds)
      .reduce((sum, { count }) => sum + count, 0);
    if (second - this.#raisedAt >= this.seconds && lately >= 3 * this.seconds) {
      this.seconds = Math.min(most, this.seconds * 2);
      this.#raisedAt = second;
    } else if (lately < this.seconds && this.seconds > 1) this.seconds--;
  }
}
