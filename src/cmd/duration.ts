import { UserError } from './command.ts';

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `1m30s`, `500ms`, `0`. Throws a UserError that names the flag. */
export function durationMs(name: string, text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (!parts.length || parts.map(([part]) => part).join('') !== text)
    throw new UserError(`--${name} takes a duration such as 10s or 1m30s, not "${text}".`, 2);
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0);
}
