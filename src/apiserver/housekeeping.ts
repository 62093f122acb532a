import { events } from '../api/core/event.ts';
import { CompactedError } from '../machinery/store.ts';
import type { ServiceAllocator } from './allocation/service.ts';
import type { ApiServer } from './server.ts';

const eventTtlMs = 3600_000;
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

  async function compact(): Promise<void> {
    const revision = store.revision;
    const target = history ? server.times.beyond(history) : previous;
    if (target > store.compactRevision) {
      await store.compact(target).catch((error) => {
        if (!(error instanceof CompactedError)) log.error('compaction failed', { error: String(error) });
      });
    }
    previous = revision;
  }
  async function expireEvents(): Promise<void> {
    const now = clock.now();
    for (const entry of [...(caches.of(events)?.entries.values() ?? [])]) {
      const { object } = entry;
      const newest = Date.parse(
        object.series?.lastObservedTime ??
          object.lastTimestamp ??
          object.eventTime ??
          object.metadata.creationTimestamp,
      );
      if (now - newest > eventTtlMs) {
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
  every(60_000, expireEvents);
  every(repairEveryMs, () => allocator.repair());
}
