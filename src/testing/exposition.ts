/** Metrics as Prometheus reads them: series by name and labels. */
export interface Exposition {
  /** Names of what is told, with their types. */
  types: Map<string, string>;
  /** Of the series with these labels and no others; undefined where there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined;
  /** The sum of all series that have these labels, and maybe others. */
  sum(name: string, labels?: Record<string, string>): number;
}

interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
const numberOf = (text: string): number =>
  text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);

/** Reads text format 0.0.4. Throws an Error for a line that is none, and for a metric that is told twice. */
export function readMetrics(text: string): Exposition {
  const types = new Map<string, string>();
  const all: Series[] = [];
  for (const line of text.split('\n')) {
    if (!line || line.startsWith('# HELP ')) continue;
    const head = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (head) {
      if (types.has(head[1]!)) throw new Error(`${head[1]} is there twice`);
      types.set(head[1]!, head[2]!);
      continue;
    }
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) throw new Error(`no line of metrics: ${line}`);
    const labels: Record<string, string> = {};
    for (const [, name, value] of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[name!] = unescaped(value!);
    all.push({ name: found[1]!, labels, value: numberOf(found[3]!) });
  }
  const matching = (name: string, wanted: Record<string, string>) =>
    all.filter((one) => one.name === name && Object.entries(wanted).every(([k, v]) => one.labels[k] === v));
  return {
    types,
    value: (name, labels = {}) =>
      matching(name, labels).find((one) => Object.keys(one.labels).length === Object.keys(labels).length)
        ?.value,
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
  };
}
