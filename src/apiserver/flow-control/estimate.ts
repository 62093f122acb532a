import type { Options } from '../../client/client.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { selectedName } from '../registry/select.ts';
import { oneSeat, type Work } from './queue-set.ts';

const bytesPerSeat = 100_000;
/** Lists are answered from the cache a piece at a time: one never holds more than this. */
const mostListBytes = 1_000_000;
const mostListSeats = 100;
const mostMutatingSeats = 10;
const watchersPerSeat = 10;
/** What one seat needs to hand an event to `watchersPerSeat` watchers. */
const eventMs = 5;

const mutating = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

/** What a request is likely to cost. `mostSeats`: what its priority level lets one request have. */
export function estimate(
  verb: string,
  options: Options | undefined,
  name: string | undefined,
  cache: ResourceCache | undefined,
  mostSeats: number,
): Work {
  if (!cache) return oneSeat;
  if (verb === 'get') return oneSeat;
  if (verb === 'list' || verb === 'watch') return listWork(verb, options ?? {}, name, cache, mostSeats);
  if (!mutating.has(verb) || cache.watchers < watchersPerSeat) return oneSeat;
  const wanted = Math.ceil(cache.watchers / watchersPerSeat);
  const finalSeats = Math.min(wanted, mostMutatingSeats, mostSeats);
  return { seats: 1, finalSeats, lingerMs: (wanted * eventMs) / finalSeats };
}

function listWork(
  verb: string,
  options: Options,
  name: string | undefined,
  cache: ResourceCache,
  mostSeats: number,
): Work {
  if (verb === 'watch') {
    const fromNow = options.resourceVersion !== undefined && options.resourceVersion !== '0';
    if (!options.sendInitialEvents && fromNow) return oneSeat;
  }
  const all = cache.entries.size;
  const single = name !== undefined || (options.fieldSelector && selectedName(options) !== undefined);
  const count = single ? 1 : options.limit && options.limit < all ? options.limit : all;
  if (count <= 1) return oneSeat;
  const bytes = Math.min(mostListBytes, count * averageBytes(cache));
  const seats = Math.min(mostListSeats, mostSeats, Math.max(1, Math.ceil(bytes / bytesPerSeat)));
  return seats === 1 ? oneSeat : { seats, finalSeats: 0, lingerMs: 0 };
}

/** Of the first and the last of a resource: an estimate of an estimate. */
function averageBytes(cache: ResourceCache): number {
  const [first, last] = [cache.entries.minKey(), cache.entries.maxKey()];
  if (first === undefined || last === undefined) return 0;
  return (cache.get(first)!.json.length + cache.get(last)!.json.length) / 2;
}
