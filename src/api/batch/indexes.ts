// Lists of indexes as a Job's status and success policy write them: `1,3-5,7`.

/** Numbers from `first` to `last`, both included. */
export interface IndexRange {
  first: number;
  last: number;
}

/** Parses a list of indexes below `completions`, in increasing order; a string says what is wrong with it. */
export function parseIndexes(text: string, completions: number): IndexRange[] | string {
  const ranges: IndexRange[] = [];
  if (!text) return ranges;
  let previous = -1;
  for (const fragment of text.split(',')) {
    const limits = fragment.split('-');
    if (limits.length > 2)
      return `the fragment ${JSON.stringify(fragment)} violates the requirement that an index interval can have at most two parts separated by '-'`;
    for (const limit of limits) {
      if (!/^\d+$/.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
      if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`;
    }
    const first = Number(limits[0]);
    const last = Number(limits.at(-1));
    if (limits.length === 2 && first >= last)
      return `non-increasing order, previous: ${first}, current: ${last}`;
    if (previous >= first) return `non-increasing order, previous: ${previous}, current: ${first}`;
    previous = last;
    ranges.push({ first, last });
  }
  return ranges;
}

export const countIndexes = (ranges: readonly IndexRange[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

/** An index that is in both lists, which are in increasing order. */
export function commonIndex(a: readonly IndexRange[], b: readonly IndexRange[]): number | undefined {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const from = Math.max(a[i]!.first, b[j]!.first);
    if (from <= Math.min(a[i]!.last, b[j]!.last)) return from;
    if (a[i]!.last < b[j]!.last) i++;
    else j++;
  }
  return undefined;
}
