/** Counters and histograms, and their text for Prometheus (text format 0.0.4). Names and labels are CoreDNS'. */
export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();
  readonly #histograms = new Map<string, Map<string, number[]>>();

  count(name: string, labels: Record<string, string> = {}, by = 1): void {
    const series = this.#counters.get(name) ?? new Map<string, number>();
    this.#counters.set(name, series);
    const key = labelText(labels);
    // Labels come from a fixed set of values, so their number is bounded.
    series.set(key, (series.get(key) ?? 0) + by);
  }

  /** Puts a duration in seconds into its bucket. */
  observe(name: string, labels: Record<string, string>, seconds: number): void {
    const series = this.#histograms.get(name) ?? new Map<string, number[]>();
    this.#histograms.set(name, series);
    const key = labelText(labels);
    let buckets = series.get(key);
    if (!buckets) series.set(key, (buckets = new Array<number>(bounds.length + 2).fill(0)));
    const at = bounds.findIndex((bound) => seconds <= bound);
    buckets[at < 0 ? bounds.length : at]!++;
    buckets[bounds.length + 1]! += seconds;
  }

  text(): string {
    const lines: string[] = [];
    for (const [name, series] of this.#counters) {
      lines.push(`# TYPE ${name} counter`);
      for (const [labels, value] of series) lines.push(`${name}${braces(labels)} ${value}`);
    }
    for (const [name, series] of this.#histograms) {
      lines.push(`# TYPE ${name} histogram`);
      for (const [labels, buckets] of series) {
        let sum = 0;
        for (const [i, bound] of [...bounds, '+Inf'].entries()) {
          sum += buckets[i]!;
          lines.push(`${name}_bucket${braces(labels, `le="${bound}"`)} ${sum}`);
        }
        lines.push(`${name}_sum${braces(labels)} ${buckets.at(-1)}`, `${name}_count${braces(labels)} ${sum}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

const bounds = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i);
const labelText = (labels: Record<string, string>): string => {
  let text = '';
  for (const name in labels) text += `${text ? ',' : ''}${name}="${labels[name]!.replace(/["\\\n]/g, '_')}"`;
  return text;
};
const braces = (...labels: string[]): string => {
  const text = labels.filter(Boolean).join(',');
  return text ? `{${text}}` : '';
};
