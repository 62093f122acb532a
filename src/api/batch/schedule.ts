// The form of a cron schedule: five fields, or one of the @ words. When it is due is the controller's business.
// https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: { low: number; high: number; names: string[]; first: number }[] = [
  { low: 0, high: 59, names: [], first: 0 },
  { low: 0, high: 23, names: [], first: 0 },
  { low: 1, high: 31, names: [], first: 0 },
  { low: 1, high: 12, names: months, first: 1 },
  { low: 0, high: 6, names: days, first: 0 },
];
const words = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$|^@every \S+$/;

/** What is wrong with a schedule, or undefined. A leading `TZ=Zone` is left out of account. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S+\s+/, '').trim();
  if (text.startsWith('@')) return words.test(text) ? undefined : `unrecognized descriptor: ${text}`;
  const parts = text.split(/\s+/).filter(Boolean);
  if (parts.length !== 5) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, part] of parts.entries()) {
    for (const range of part.split(',')) {
      const problem = rangeProblem(range, fields[i]!);
      if (problem) return problem;
    }
  }
  return undefined;
}

function rangeProblem(
  range: string,
  { low, high, names, first }: (typeof fields)[number],
): string | undefined {
  const [span, step, ...more] = range.split('/');
  if (more.length) return `too many slashes: ${range}`;
  if (step !== undefined && !/^[1-9]\d*$/.test(step))
    return `step of range should be a positive number: ${range}`;
  if (span === '*' || span === '?') return undefined;
  const ends = span!.split('-');
  if (ends.length > 2) return `too many hyphens: ${range}`;
  const numbers = ends.map((end) => {
    const named = names.indexOf(end.toLowerCase());
    return named >= 0 ? named + first : /^\d+$/.test(end) ? Number(end) : Number.NaN;
  });
  if (numbers.some(Number.isNaN)) return `failed to parse int from ${span}: invalid syntax`;
  const [start, end = start] = numbers as [number, number?];
  if (start < low) return `beginning of range (${start}) below minimum (${low}): ${range}`;
  if (end > high) return `end of range (${end}) above maximum (${high}): ${range}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${range}`;
  return undefined;
}
