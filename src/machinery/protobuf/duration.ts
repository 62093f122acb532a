// Durations as Go writes them: `1h30m0s`, `1.5s`, `250ms`, `-3s`. In protobuf they are nanoseconds.

const units: [string, number][] = [
  ['h', 3600e9],
  ['m', 60e9],
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
  ['µs', 1e3],
  ['ns', 1],
];

export function durationNs(text: string): number {
  const sum = [...text.matchAll(/([\d.]+)(h|ms|us|µs|ns|m|s)/g)].reduce(
    (total, [, n, unit]) => total + Number(n) * units.find(([u]) => u === unit)![1],
    0,
  );
  return text.startsWith('-') ? -Math.round(sum) : Math.round(sum);
}

/** A number of billionths as a decimal fraction without needless zeros. */
const seconds = (ns: number): string =>
  `${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}`.replace(/\.?0+$/, '');

export function durationText(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 0) return `-${durationText(-ns)}`;
  if (ns < 1e9) return ns >= 1e6 ? `${ns / 1e6}ms` : ns >= 1e3 ? `${ns / 1e3}µs` : `${ns}ns`;
  const h = Math.floor(ns / 3600e9);
  const m = Math.floor((ns % 3600e9) / 60e9);
  return `${h ? `${h}h` : ''}${h || m ? `${m}m` : ''}${seconds(ns % 60e9) || '0'}s`;
}
