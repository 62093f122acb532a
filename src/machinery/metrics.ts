// Counters, gauges and histograms, and their text as Prometheus reads it. Source: "Exposition formats", text format 0.0.4.
//
//   const metrics = new MetricRegistry();
//   const served = metrics.counter('requests_total', 'Requests served.', ['code']);
//   served.with('200').inc();
//
// What is counted often keeps what `with` gives: that is a field to add to.

import { Summary } from './summary.ts';

/** Upstream's levels of stability; HELP begins with it. */
export type Stability = 'STABLE' | 'BETA' | 'ALPHA';
export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

export class Counter {
  value = 0;
  inc(by = 1): void {
    this.value += by;
  }
}

export class Gauge {
  value = 0;
  set(value: number): void {
    this.value = value;
  }
  inc(by = 1): void {
    this.value += by;
  }
  dec(by = 1): void {
    this.value -= by;
  }
}

/** What a histogram shows of itself. */
export interface Distribution {
  readonly bounds: readonly number[];
  /** Of each bound: how many were at most that, and more than the one before. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

export class Histogram implements Distribution {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }
  /** `times` observations of the same value. */
  observe(value: number, times = 1): void {
    this.sum += value * times;
    this.count += times;
    const { bounds } = this;
    for (let i = 0; i < bounds.length; i++) {
      if (value <= bounds[i]!) {
        this.counts[i]! += times;
        return;
      }
    }
  }
}

/** One metric with all combinations of its labels' values. */
export class Family<M> {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  readonly children = new Map<string, { values: readonly string[]; metric: M }>();
  readonly #make: () => M;

  constructor(name: string, type: MetricType, help: string, labels: readonly string[], make: () => M) {
    this.name = name;
    this.type = type;
    this.help = help;
    this.labels = labels;
    this.#make = make;
  }
  /** Puts one in that was made elsewhere. */
  put(values: readonly string[], metric: M): void {
    this.children.set(values.join('\u0001'), { values, metric });
  }
  /** The one for these values, in the order of the labels. */
  with(...values: string[]): M {
    const key = values.length === 1 ? values[0]! : values.join('\u0001');
    let child = this.children.get(key);
    if (!child) {
      child = { values, metric: this.#make() };
      this.children.set(key, child);
    }
    return child.metric;
  }
  remove(...values: string[]): void {
    this.children.delete(values.join('\u0001'));
  }
  clear(): void {
    this.children.clear();
  }
}

type Collector = () => void;

/** The metrics of one component. */
export class MetricRegistry {
  readonly #families = new Map<string, Family<any>>();
  readonly #collectors: Collector[] = [];
  #now: () => number = () => 0;

  counter(
    name: string,
    help: string,
    labels: readonly string[] = [],
    stability: Stability = 'ALPHA',
  ): Family<Counter> {
    return this.#add(name, 'counter', help, labels, stability, () => new Counter());
  }
  gauge(
    name: string,
    help: string,
    labels: readonly string[] = [],
    stability: Stability = 'ALPHA',
  ): Family<Gauge> {
    return this.#add(name, 'gauge', help, labels, stability, () => new Gauge());
  }
  histogram(
    name: string,
    help: string,
    labels: readonly string[],
    bounds: readonly number[],
    stability: Stability = 'ALPHA',
  ): Family<Histogram> {
    return this.#add(name, 'histogram', help, labels, stability, () => new Histogram(bounds));
  }
  /** Quantiles of the last `maxAgeMs`; `now` is asked when they are shown. */
  summary(
    name: string,
    help: string,
    labels: readonly string[],
    { maxAgeMs, now }: { maxAgeMs: number; now: () => number },
    stability: Stability = 'ALPHA',
  ): Family<Summary> {
    this.#now = now;
    return this.#add(name, 'summary', help, labels, stability, () => new Summary(maxAgeMs));
  }
  /** Histograms that are kept elsewhere in their own way. */
  distribution<M extends Distribution>(
    name: string,
    help: string,
    labels: readonly string[],
    make: () => M,
    stability: Stability = 'ALPHA',
  ): Family<M> {
    return this.#add(name, 'histogram', help, labels, stability, make);
  }
  /** Of each metric, the level of its stability. */
  *stabilities(): Iterable<Stability> {
    for (const { help } of this.#families.values()) yield help.slice(1, help.indexOf(']')) as Stability;
  }
  /** Called before each rendering: sets what is only worked out then. */
  beforeRender(collect: Collector): void {
    this.#collectors.push(collect);
  }

  #add<M>(
    name: string,
    type: MetricType,
    help: string,
    labels: readonly string[],
    stability: Stability,
    make: () => M,
  ): Family<M> {
    const known = this.#families.get(name);
    if (known) return known;
    const family = new Family(name, type, `[${stability}] ${help}`, labels, make);
    this.#families.set(name, family);
    return family;
  }

  /** Sorted by name, as upstream's are. Families that have nothing yet are left out. */
  render(): string {
    for (const collect of this.#collectors) collect();
    const out: string[] = [];
    for (const name of [...this.#families.keys()].sort())
      renderFamily(this.#families.get(name)!, out, this.#now);
    return out.length ? `${out.join('\n')}\n` : '';
  }
}

function renderFamily(family: Family<any>, out: string[], now: () => number): void {
  if (!family.children.size) return;
  const { name, type, help, labels } = family;
  out.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
  for (const { values, metric } of family.children.values()) {
    const shown = labels.map((label, i) => `${label}="${escapeLabel(values[i] ?? '')}"`).join(',');
    if (type === 'histogram') renderHistogram(name, shown, metric, out);
    else if (type === 'summary') renderSummary(name, shown, metric, out, now());
    else out.push(`${name}${shown ? `{${shown}}` : ''} ${goNumber(metric.value)}`);
  }
}

function renderHistogram(name: string, labels: string, histogram: Distribution, out: string[]): void {
  const { bounds, counts, sum, count } = histogram;
  const before = labels ? `${labels},` : '';
  let below = 0;
  for (let i = 0; i < bounds.length; i++) {
    below += counts[i]!;
    out.push(`${name}_bucket{${before}le="${goNumber(bounds[i]!)}"} ${below}`);
  }
  const braces = labels ? `{${labels}}` : '';
  out.push(
    `${name}_bucket{${before}le="+Inf"} ${count}`,
    `${name}_sum${braces} ${goNumber(sum)}`,
    `${name}_count${braces} ${count}`,
  );
}

function renderSummary(name: string, labels: string, summary: Summary, out: string[], nowMs: number): void {
  const before = labels ? `${labels},` : '';
  for (const share of Summary.quantiles)
    out.push(`${name}{${before}quantile="${share}"} ${goNumber(summary.quantile(share, nowMs))}`);
  const braces = labels ? `{${labels}}` : '';
  out.push(`${name}_sum${braces} ${goNumber(summary.sum)}`, `${name}_count${braces} ${summary.count}`);
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
export const escapeLabel = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** As Go writes a float in its shortest form: `1e+06`, `0.005`: labels `le` are compared as texts. */
export function goNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  if (Number.isNaN(value)) return 'NaN';
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-4 && size < 1e6) ? String(value) : exponential(value);
}
function exponential(value: number): string {
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** `count` bounds, each `factor` times the one before. */
export const exponentialBuckets = (start: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => start * factor ** i);
