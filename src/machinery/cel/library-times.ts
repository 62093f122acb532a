// The parts of moments and spans of time.
import type { Declarations } from './functions.ts';
import { CelError, type Duration, type Timestamp, type Value } from './values.ts';

/** The parts of a moment, in a zone: UTC, `+02:00`, or a name of the IANA database. */
function parts(value: Timestamp, zone: string | undefined): Date {
  const ms = Number(floorDivide(value.nanos, 1_000_000n));
  if (zone === undefined) return new Date(ms);
  const offset = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(ms + (offset[1] === '-' ? -minutes : minutes) * 60_000);
  }
  try {
    const found = Object.fromEntries(
      formatOf(zone)
        .formatToParts(ms)
        .map(({ type, value: text }) => [type, Number(text)]),
    );
    const { year, month, day, hour, minute, second } = found as Record<string, number>;
    return new Date(Date.UTC(year!, month! - 1, day!, hour!, minute!, second!, ((ms % 1000) + 1000) % 1000));
  } catch (error) {
    if (error instanceof RangeError) throw new CelError(`unknown time zone ${zone}`);
    throw error;
  }
}

/** They take long to make; there are some six hundred zones. */
const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

const floorDivide = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b;

const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) -
      Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  );

const ofMoment = (id: string, part: (date: Date) => number, withZone = `${id}_with_tz`) => {
  const call = (value: Timestamp, zone?: string): Value => BigInt(part(parts(value, zone)));
  return {
    [id]: ['timestamp.() -> int', call],
    [withZone]: ['timestamp.(string) -> int', call],
  } as const;
};

/** Of a span the whole of it, in a unit. */
const ofSpan = (id: string, unit: bigint) =>
  ({ [id]: ['duration.() -> int', ({ nanos }: Duration): Value => nanos / unit] }) as const;

export const times: Declarations = {
  getFullYear: ofMoment('timestamp_to_year', (date) => date.getUTCFullYear()),
  getMonth: ofMoment('timestamp_to_month', (date) => date.getUTCMonth()),
  getDayOfYear: ofMoment('timestamp_to_day_of_year', dayOfYear),
  getDayOfMonth: ofMoment('timestamp_to_day_of_month', (date) => date.getUTCDate() - 1),
  getDate: ofMoment('timestamp_to_day_of_month_1_based', (date) => date.getUTCDate()),
  getDayOfWeek: ofMoment('timestamp_to_day_of_week', (date) => date.getUTCDay()),
  getHours: {
    ...ofMoment('timestamp_to_hours', (date) => date.getUTCHours()),
    ...ofSpan('duration_to_hours', 3_600_000_000_000n),
  },
  getMinutes: {
    ...ofMoment('timestamp_to_minutes', (date) => date.getUTCMinutes()),
    ...ofSpan('duration_to_minutes', 60_000_000_000n),
  },
  getSeconds: {
    ...ofMoment('timestamp_to_seconds', (date) => date.getUTCSeconds(), 'timestamp_to_seconds_tz'),
    ...ofSpan('duration_to_seconds', 1_000_000_000n),
  },
  getMilliseconds: {
    ...ofMoment('timestamp_to_milliseconds', (date) => date.getUTCMilliseconds()),
    ...ofSpan('duration_to_milliseconds', 1_000_000n),
  },
};
