/** How much of the past is kept: for a time, a number of revisions, or until the store takes so many bytes. */
export type HistoryWindow = { ms: number } | { revisions: number } | { bytes: number };

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3600_000, d: 86_400_000 };
const unitBytes: Record<string, number> = { KB: 1 << 10, MB: 1 << 20, GB: 2 ** 30 };

/** `90s`, `1h30m`, `2d` in milliseconds; undefined for what is none. */
export function durationOf(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?[smhd])+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)([smhd])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * unitMs[unit!]!,
    0,
  );
}

/** `1h`, `10000` (revisions), `500MB`. Throws a RangeError that says what is allowed. */
export function parseWindow(text: string): HistoryWindow {
  const ms = durationOf(text);
  if (ms) return { ms };
  if (/^[1-9]\d*$/.test(text)) return { revisions: Number(text) };
  const [, n, unit] = /^(\d+(?:\.\d+)?)\s*([KMG])i?B?$/i.exec(text) ?? [];
  if (n && Number(n)) return { bytes: Number(n) * unitBytes[`${unit!.toUpperCase()}B`]! };
  throw new RangeError(
    `"${text}" is no amount of history: use a time as in 1h, revisions as in 10000, or a size as in 500MB`,
  );
}

/** A moment of the past, by its revision or by its time. */
export type Moment = { revision: number } | { timeMs: number };

/**
 * `4711` is a revision; `10m` is so long ago; `2026-01-02T03:04:05Z`, `2026-01-02 03:04` and `2026-01-02` are times. Throws
 * a RangeError that says what is allowed.
 */
export function parseMoment(text: string, nowMs: number): Moment {
  if (/^[1-9]\d*$/.test(text)) return { revision: Number(text) };
  const ago = durationOf(text);
  if (ago !== undefined) return { timeMs: nowMs - ago };
  const timeMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return { timeMs };
  throw new RangeError(
    `"${text}" is no moment: use a revision as in 4711, a time as in 2026-01-02T03:04:05Z, or how long ago it was as in 10m`,
  );
}
