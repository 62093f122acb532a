const offset = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;
const mask = 0xffffffffffffffffn;

/** FNV-1a in 64 bits. */
function hashOf(text: string): bigint {
  let hash = offset;
  for (let i = 0; i < text.length; i++) hash = ((hash ^ BigInt(text.charCodeAt(i))) * prime) & mask;
  return hash;
}

/**
 * The queues that a flow may use: `handSize` different ones of `deckSize`, dealt by a hash of the flow's name. Two flows
 * seldom have the whole hand in common, so one that floods its queues leaves the others some. Source: KEP-1040,
 * "Shuffle sharding".
 */
export function handOf(flow: string, deckSize: number, handSize: number): number[] {
  let hash = hashOf(flow);
  const hand: number[] = [];
  for (let i = 0; i < handSize && i < deckSize; i++) {
    const left = BigInt(deckSize - i);
    // The n-th card that is still there: those before it that are dealt already are passed over.
    let card = Number(hash % left);
    hash /= left;
    for (const dealt of [...hand].sort((a, b) => a - b)) if (dealt <= card) card++;
    hand.push(card);
  }
  return hand;
}
