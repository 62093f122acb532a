/** One priority level's claim on the seats of the server. */
export interface Claim {
  target: number;
  /** What it keeps, whatever the others want. */
  least: number;
  /** What it can have at most, with all that it may borrow. */
  most: number;
}

/** A level that wants nothing still counts this much: nothing is divided by zero. */
const leastTarget = 0.001;

export interface Allocation {
  seats: number[];
  /** The share of its target that each level gets, except where its own bounds say otherwise. */
  fairShare: number;
}

/**
 * Divides `total` seats so that each level gets the same share of its target, within its bounds; the sum is `total` where
 * the bounds allow it, and as near as they do where not. Source: KEP-1040, "Borrowing".
 *
 *   total 100, targets 10 and 90, bounds 20..100 and 0..100: the first keeps its 20, the second gets 80 (share 80/90)
 */
export function allocate(total: number, claims: readonly Claim[]): Allocation {
  const targets = claims.map(({ target }) => Math.max(target, leastTarget));
  const at = (share: number): number[] =>
    claims.map(({ least, most }, i) => Math.min(most, Math.max(least, share * targets[i]!)));
  const sum = (seats: number[]): number => seats.reduce((a, b) => a + b, 0);
  // The sum grows with the share, in straight pieces between the shares at which a level meets a bound.
  const bends = claims
    .flatMap(({ least, most }, i) => [least / targets[i]!, most / targets[i]!])
    .sort((a, b) => a - b);
  const above = bends.findIndex((share) => sum(at(share)) >= total);
  if (above < 0) return { seats: at(Number.MAX_VALUE), fairShare: bends.at(-1) ?? 0 };
  if (above === 0) return { seats: at(0), fairShare: bends[0]! };
  const [low, high] = [bends[above - 1]!, bends[above]!];
  const [below, over] = [sum(at(low)), sum(at(high))];
  const fairShare = over > below ? low + ((high - low) * (total - below)) / (over - below) : high;
  return { seats: at(fairShare), fairShare };
}
