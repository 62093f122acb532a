// Durations as Go and kubectl read and write them.

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** `1h30m`, `90s`, `1.5s`, `-1ms`; milliseconds. Throws an Error that says what Go says. */
export function parseDuration(text: string): number {
  const match = /^([-+]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (/^[-+]?0$/.test(text)) return 0;
  if (!match) {
    const unit = /^[-+]?(?:\d+\.?\d*|\.\d+)$/.test(text);
    throw new Error(`time: ${unit ? 'missing unit in' : 'invalid'} duration ${JSON.stringify(text)}`);
  }
  let ms = 0;
  for (const [, value, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(value) * unitMs[unit!]!;
  return match[1] === '-' ? -ms : ms;
}

/** As Go prints one: `1h0m0s`, `1m30s`, `1.5s`, `200ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const sign = ms < 0 ? '-' : '';
  const value = Math.abs(ms);
  if (value < 1000) return `${sign}${value < 1 ? `${value * 1000}µs` : `${value}ms`}`;
  const hours = Math.floor(value / 3_600_000);
  const minutes = Math.floor((value % 3_600_000) / 60_000);
  const seconds = Number(((value % 60_000) / 1000).toFixed(9));
  if (hours) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

/** An age for people, two or three characters where that will do: `5s`, `3m20s`, `4h`, `2d3h`, `1y20d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return minutes % 60 ? `${hours}h${minutes % 60}m` : `${hours}h`;
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return hours % 24 ? `${days}d${hours % 24}h` : `${days}d`;
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.trunc(hours / 24 / 365);
  if (hours < 24 * 365 * 8) return days % 365 ? `${years}y${days % 365}d` : `${years}y`;
  return `${years}y`;
}

/** Go's RFC1123Z: `Mon, 02 Jan 2006 15:04:05 +0000`. */
export function longDate(timestamp: string): string {
  const date = new Date(timestamp);
  return `${date.toUTCString().replace(/GMT$/, '')}+0000`;
}

/** How long ago, for people; `<unknown>` where there is no time. */
export const age = (timestamp: string | undefined, nowMs: number): string =>
  timestamp ? humanDuration(nowMs - Date.parse(timestamp)) : '<unknown>';
