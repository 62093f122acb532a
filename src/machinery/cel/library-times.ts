import { noOverload } from './operators.ts';
import type { Library } from './scope.ts';
import { CelError, Duration, Timestamp, type Value } from './values.ts';

/** The parts of a moment, in a zone: UTC, `+02:00`, or a name of the IANA database. */
function parts(value: Timestamp, zone: Value | undefined): Date {
  const ms = Number(value.nanos / 1_000_000n);
  if (zone === undefined) return new Date(ms);
  if (typeof zone !== 'string') throw noOverload('timestamp', value, zone);
  const offset = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(ms + (offset[1] === '-' ? -minutes : minutes) * 60_000);
  }
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    const found = Object.fromEntries(
      format.formatToParts(ms).map(({ type, value: text }) => [type, Number(text)]),
    );
    const { year, month, day, hour, minute, second } = found as Record<string, number>;
    return new Date(Date.UTC(year!, month! - 1, day!, hour!, minute!, second!, ((ms % 1000) + 1000) % 1000));
  } catch (error) {
    if (error instanceof RangeError) throw new CelError(`unknown time zone ${zone}`);
    throw error;
  }
}

const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) -
      Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  );

const ofMoment =
  (name: string, part: (date: Date) => number) =>
  ([value, zone]: Value[]): Value => {
    if (!(value instanceof Timestamp)) throw noOverload(name, value!);
    return BigInt(part(parts(value, zone)));
  };

/** Of a moment the part of its clock, of a duration the whole of it. */
const ofEither =
  (name: string, part: (date: Date) => number, unit: bigint) =>
  (args: Value[]): Value =>
    args[0] instanceof Duration ? args[0].nanos / unit : ofMoment(name, part)(args);

export const times: Library = {
  getFullYear: ofMoment('getFullYear', (date) => date.getUTCFullYear()),
  getMonth: ofMoment('getMonth', (date) => date.getUTCMonth()),
  getDayOfYear: ofMoment('getDayOfYear', dayOfYear),
  getDayOfMonth: ofMoment('getDayOfMonth', (date) => date.getUTCDate() - 1),
  getDate: ofMoment('getDate', (date) => date.getUTCDate()),
  getDayOfWeek: ofMoment('getDayOfWeek', (date) => date.getUTCDay()),
  getHours: ofEither('getHours', (date) => date.getUTCHours(), 3_600_000_000_000n),
  getMinutes: ofEither('getMinutes', (date) => date.getUTCMinutes(), 60_000_000_000n),
  getSeconds: ofEither('getSeconds', (date) => date.getUTCSeconds(), 1_000_000_000n),
  getMilliseconds: ([value, zone]) => {
    if (value instanceof Duration) return (value.nanos / 1_000_000n) % 1000n;
    return ofMoment('getMilliseconds', (date) => date.getUTCMilliseconds())([
      value!,
      ...(zone === undefined ? [] : [zone]),
    ]);
  },
};
