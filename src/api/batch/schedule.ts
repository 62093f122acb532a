// Cron schedules, as CronJobs write them: five fields, or a descriptor.
// https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
interface Bounds {
  min: number;
  max: number;
  names?: string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: days },
];
const descriptors = new Set([
  '@yearly',
  '@annually',
  '@monthly',
  '@weekly',
  '@daily',
  '@midnight',
  '@hourly',
]);
const duration = /^[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/;

/** A number of a field: throws the sentence that says what is wrong with it. */
function numberOf(text: string, { names, min }: Bounds): number {
  const name = names?.indexOf(text.toLowerCase()) ?? -1;
  if (name >= 0) return name + min;
  if (!/^[+-]?\d+$/.test(text))
    throw `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  const value = Number(text);
  if (value < 0) throw `negative number (${value}) not allowed: ${text}`;
  return value;
}

/** `*`, `5`, `1-5`, each perhaps with `/2`: throws the sentence that says what is wrong with it. */
function checkRange(text: string, bounds: Bounds): void {
  const [range, step, ...slashes] = text.split('/') as [string, string?, ...string[]];
  const [low, high, ...hyphens] = range.split('-') as [string, string?, ...string[]];
  let start = bounds.min;
  let end = bounds.max;
  if (low !== '*' && low !== '?') {
    start = numberOf(low, bounds);
    if (hyphens.length) throw `too many hyphens: ${text}`;
    end = high === undefined ? start : numberOf(high, bounds);
  }
  if (slashes.length) throw `too many slashes: ${text}`;
  const by = step === undefined ? 1 : numberOf(step, { min: 0, max: 0 });
  if (step !== undefined && high === undefined) end = bounds.max;
  if (start < bounds.min) throw `beginning of range (${start}) below minimum (${bounds.min}): ${text}`;
  if (end > bounds.max) throw `end of range (${end}) above maximum (${bounds.max}): ${text}`;
  if (start > end) throw `beginning of range (${start}) beyond end of range (${end}): ${text}`;
  if (by === 0) throw `step of range should be a positive number: ${text}`;
}

/** What is wrong with a schedule; undefined when nothing is. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S*\s*/, '');
  if (text.startsWith('@')) {
    if (descriptors.has(text)) return undefined;
    if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`;
    const every = text.slice('@every '.length);
    return duration.test(every)
      ? undefined
      : `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(every)}`;
  }
  const parts = text.split(/\s+/).filter(Boolean);
  if (parts.length !== fields.length)
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  try {
    parts.forEach((part, i) => {
      for (const range of part.split(',')) if (range) checkRange(range, fields[i]!);
    });
  } catch (problem) {
    if (typeof problem === 'string') return problem;
    throw problem;
  }
  return undefined;
}

/** What is wrong with the name of a time zone; undefined when nothing is. */
export function timeZoneProblem(zone: string): string | undefined {
  if (!zone) return 'timeZone must be nil or non-empty string';
  const parts = zone.split('/');
  if (parts.some((p) => p === '.' || p === '..' || p.startsWith('-') || !/^[A-Za-z.\-_0-9+]{1,14}$/.test(p)))
    return `unknown time zone ${zone}`;
  if (zone.toLowerCase() === 'local')
    return 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `unknown time zone ${zone}`;
  }
}
