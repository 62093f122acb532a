import type { KeyValue, RangeRequest } from '../machinery/store.ts';

const most = 32;

interface Known {
  key: string;
  end: string;
  revision: number;
  count: number;
}

/**
 * How many keys some ranges have at some revisions: who asks for a page of a range is told of the whole, and to count it costs
 * more than the page. What was counted for one page is known for it when it is asked for again, and for the page after it. The
 * past does not change, so nothing here ever becomes wrong.
 */
export class RangeCounts {
  /** Oldest first. */
  #known: Known[] = [];

  find({ key, end }: RangeRequest, revision: number): number | undefined {
    return this.#known.find((one) => one.key === key && one.end === end && one.revision === revision)?.count;
  }

  /** A page, `kvs`, of a range of `count` keys was given. */
  note({ key, end = '' }: RangeRequest, revision: number, count: number, kvs: KeyValue[]): void {
    this.#add({ key, end, revision, count });
    this.#add({ key: `${kvs.at(-1)!.key}\0`, end, revision, count: count - kvs.length });
  }
  #add(known: Known): void {
    this.#known = this.#known.filter(
      (one) => one.key !== known.key || one.end !== known.end || one.revision !== known.revision,
    );
    this.#known.push(known);
    if (this.#known.length > most) this.#known.shift();
  }
}
