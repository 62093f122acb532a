import { type Description, dateText } from './description.ts';

/** Conditions with when they changed and why. `before` comes first, where there are any. */
export function conditionTable(d: Description, conditions: any[] | undefined, before = ''): void {
  if (!conditions?.length) return;
  d.raw(`${before}Conditions:\n`);
  d.table(
    1,
    ['Type', 'Status', 'LastTransitionTime', 'Reason', 'Message'],
    conditions.map((c) => [
      c.type,
      c.status,
      dateText(c.lastTransitionTime),
      c.reason ?? '',
      c.message ?? '',
    ]),
  );
}
