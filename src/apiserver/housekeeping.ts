import { events } from '../api/core/event.ts';
import { CompactedError, type Store } from '../machinery/store.ts';
import type { ServiceAllocator } from './allocation/service.ts';
import { eventTtlMs } from './registry/event-leases.ts';
import type { ApiServer } from './server.ts';

const compactEveryMs = 300_000;
const repairEveryMs = 180_000;

/**
 * What the server does by itself: forgets events after an hour, and the store's history after five to ten minutes, or what
 * it was told; looks after the addresses and ports of services.
 */
export function housekeeping(server: ApiServer, allocator: ServiceAllocator, signal: AbortSignal): void {
  const { registry, log } = server;
  const { clock, store, caches } = registry;
  let previous = 0;

  const { history } = server.options;
  const mayCompact = store.catchUp ? oneOfMany(store) : undefined;

  async function compact(): Promise<void> {
    const revision = store.revision;
    const target = history ? server.times.beyond(history) : previous;
    if (target > store.compactRevision && (!mayCompact || (await mayCompact(target)))) {
      await store.compact(target).catch((error) => {
        if (!(error instanceof CompactedError)) log.error('compaction failed', { error: String(error) });
      });
    }
    previous = revision;
  }
  async function expireEvents(): Promise<void> {
    const now = clock.now();
    const ttlMs = server.options.eventTtlMs ?? eventTtlMs;
    for (const entry of [...(caches.of(events)?.entries.values() ?? [])]) {
      const { object } = entry;
      const newest = Date.parse(
        object.series?.lastObservedTime ??
          object.lastTimestamp ??
          object.eventTime ??
          object.metadata.creationTimestamp,
      );
      if (now - newest > ttlMs) {
        await store.txn(
          [{ key: entry.key, target: 'mod', equals: entry.revision }],
          [{ op: 'delete', key: entry.key }],
        );
      }
    }
  }
  const every = (ms: number, work: () => Promise<void>) => {
    const timer = clock.after(ms, () => {
      if (signal.aborted) return;
      work()
        .catch((error) => log.error('housekeeping failed', { error: String(error) }))
        .finally(() => !signal.aborted && every(ms, work));
    });
    signal.addEventListener('abort', () => timer.cancel(), { once: true });
  };
  // A window is kept to about a tenth.
  const compactMs = history ? ('ms' in history ? Math.max(1000, history.ms / 10) : 60_000) : compactEveryMs;
  every(Math.min(compactEveryMs, compactMs), compact);
  if (!registry.eventLeases) every(60_000, expireEvents);
  every(repairEveryMs, () => allocator.repair());
}

/** The key in which API servers, upstream's too, agree on who compacts: to which revision, each time a version more. */
const compactKey = 'compact_rev_key';

/**
 * Where several servers share a store, all would like to compact at about the same time. The one that writes the key in the
 * version that it knows does it; the others learn the new version, and have their chance the next time.
 */
function oneOfMany(store: Store): (revision: number) => Promise<boolean> {
  let known = 0;
  return async (revision) => {
    const { succeeded, responses } = await store.txn(
      [{ key: compactKey, target: 'version', equals: known }],
      [{ op: 'put', key: compactKey, value: new TextEncoder().encode(String(revision)) }],
      [{ op: 'range', key: compactKey }],
    );
    const [found] = responses;
    known = succeeded ? known + 1 : found && 'kvs' in found ? (found.kvs[0]?.version ?? 0) : known;
    return succeeded;
  };
}
