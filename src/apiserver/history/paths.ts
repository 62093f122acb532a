import { type HistoryWindow, type Moment, parseMoment } from '../../machinery/history.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { badRequest, gone, type StatusError } from '../../machinery/status.ts';
import { CompactedError, type KeyValue, type Store } from '../../machinery/store.ts';
import { Entry } from '../cache/entry.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../http/handler.ts';
import { keyFor } from '../registry/read.ts';
import type { Served } from '../scheme.ts';
import type { ApiServer } from '../server.ts';

/** What `/wherry/history` tells. Times are RFC 3339; absent where nobody knows them. */
export interface HistoryRange {
  /** The newest revision. */
  revision: number;
  /** The oldest that can be read. */
  oldest: number;
  oldestTime?: string;
  /** With `?at=`: the revision of that moment. */
  at?: number;
  /** What `--history` says. */
  window: string;
}

/** A version of an object; without `object` it was deleted then. */
export interface VersionOfObject {
  revision: number;
  time?: string;
  object?: AnyObject;
}

/** What `/wherry/history/versions` tells: how an object was at a moment, and every version since. */
export interface Versions {
  type: string;
  namespace?: string;
  name: string;
  since: number;
  sinceTime?: string;
  /** Absent: it was not there. */
  before?: AnyObject;
  versions: VersionOfObject[];
}

/** A remote store's watch is told of the past in its own time: how long that may take. */
const pastMs = 2000;

/**
 * The past: `/wherry/history[?at=MOMENT]`, and `/wherry/history/versions?type=TYPE&name=NAME[&namespace=NS][&since=MOMENT]`,
 * where a moment is a revision or a time. Subject to RBAC like every path outside the resources. Throws 410 for what is no
 * longer known, with a sentence that says what is.
 */
export const historyPaths: PathHandler = async (server, exchange) => {
  const [, wherry, history, versions] = exchange.path.split('/');
  if (wherry !== 'wherry' || history !== 'history') return false;
  exchange.respond(
    200,
    { 'content-type': 'application/json' },
    JSON.stringify(versions === 'versions' ? await versionsOf(server, exchange) : rangeOf(server, exchange)),
  );
  return true;
};

const iso = (timeMs: number | undefined): string | undefined =>
  timeMs === undefined ? undefined : new Date(timeMs).toISOString();

export function windowText(window: HistoryWindow | undefined): string {
  if (!window) return '5 to 10 minutes';
  if ('revisions' in window) return `${window.revisions} revisions`;
  if ('bytes' in window) return `${Math.round(window.bytes / 2 ** 20)} MB`;
  const minutes = window.ms / 60_000;
  return minutes < 90 ? `${Math.round(minutes * 10) / 10} minutes` : `${Math.round(minutes / 6) / 10} hours`;
}

/** The oldest revision that can be read. */
const oldestOf = ({ compactRevision }: Store): number => Math.max(1, compactRevision);

function rangeOf(server: ApiServer, exchange: Exchange): HistoryRange {
  const { store } = server.registry;
  const oldest = oldestOf(store);
  const oldestTime = iso(server.times.timeOf(oldest) ?? server.times.timeOf(oldest + 1));
  const at = exchange.query.get('at');
  return {
    ...{ revision: store.revision, oldest },
    ...(oldestTime ? { oldestTime } : {}),
    ...(at ? { at: revisionOf(server, at) } : {}),
    window: windowText(server.options.history),
  };
}

function tooOld(server: ApiServer, what: string): StatusError {
  const { oldest, oldestTime, window } = rangeOf(server, { query: new URLSearchParams() } as Exchange);
  const since = oldestTime ? `, of ${oldestTime}` : '';
  return gone(
    `${what} is no longer known: history goes back to revision ${oldest}${since}; ${window} of it are kept, and "wherry up --history" says how much`,
  );
}

/** The revision of a moment. Throws 400, 410. */
function revisionOf(server: ApiServer, text: string): number {
  const { store, clock } = server.registry;
  let moment: Moment;
  try {
    moment = parseMoment(text, clock.now());
  } catch (error) {
    throw badRequest((error as Error).message);
  }
  if ('revision' in moment) {
    if (moment.revision > store.revision)
      throw badRequest(`revision ${moment.revision} is still to come: the newest is ${store.revision}`);
    if (moment.revision < oldestOf(store)) throw tooOld(server, `revision ${moment.revision}`);
    return moment.revision;
  }
  if (moment.timeMs > clock.now()) throw badRequest(`${iso(moment.timeMs)} is still to come`);
  const revision = server.times.at(moment.timeMs);
  const time = server.times.timeOf(revision);
  // The compacted revision stands for all that was before it, too.
  if (revision <= store.compactRevision && (time === undefined || time > moment.timeMs))
    throw tooOld(server, iso(moment.timeMs)!);
  return Math.max(1, revision);
}

/** `pods`, `pod`, `po`, `deployments.apps`: as kubectl takes it. */
function servedBy(server: ApiServer, type: string): Served {
  const [name, ...group] = type.toLowerCase().split('.');
  const found = server.registry.scheme
    .all()
    .filter(
      ({ kind }) =>
        (!group.length || group.join('.') === kind.group) &&
        [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames].includes(name!),
    );
  const served = found.find((one) => one.kind === one.storage) ?? found[0];
  if (!served) throw badRequest(`the server doesn't have a resource type "${type}"`);
  return served;
}

async function versionsOf(server: ApiServer, { query }: Exchange): Promise<Versions> {
  const { store, caches } = server.registry;
  const name = query.get('name');
  if (!name) throw badRequest('name is required');
  const served = servedBy(server, query.get('type') ?? 'pods');
  const { kind, storage } = served;
  const namespace = kind.namespaced ? (query.get('namespace') ?? 'default') : undefined;
  const cache = caches.of(storage, served.custom);
  if (!cache) throw badRequest(`nothing is kept of ${kind.plural}`);
  const key = keyFor(cache, namespace, name);
  const asked = query.get('since');
  const since = asked ? revisionOf(server, asked) : oldestOf(store);
  const objectOf = async (kv: KeyValue): Promise<AnyObject> => {
    const entry = Entry.fromBytes(storage, key, kv.value, kv.modRevision);
    const { object } = served.view ? await served.view.entry(entry) : entry;
    return { ...object, kind: kind.kind, apiVersion: apiVersionOf(kind) };
  };
  try {
    const { kvs } = await store.range({ key, revision: since });
    const versions: VersionOfObject[] = [];
    for (const { kv, deleted } of await changesOf(server, key, since)) {
      const time = iso(server.times.timeOf(kv.modRevision));
      versions.push({
        revision: kv.modRevision,
        ...(time ? { time } : {}),
        ...(deleted ? {} : { object: await objectOf(kv) }),
      });
    }
    const sinceTime = iso(server.times.timeOf(since));
    return {
      ...{ type: kind.kind, name, since },
      ...(namespace ? { namespace } : {}),
      ...(sinceTime ? { sinceTime } : {}),
      ...(kvs[0] ? { before: await objectOf(kvs[0]) } : {}),
      versions,
    };
  } catch (error) {
    if (error instanceof CompactedError) throw tooOld(server, `revision ${since}`);
    throw error;
  }
}

/** Every change of a key after a revision. */
async function changesOf(
  { registry: { store, clock } }: ApiServer,
  key: string,
  since: number,
): Promise<{ kv: KeyValue; deleted: boolean }[]> {
  const found: { kv: KeyValue; deleted: boolean }[] = [];
  let failure: Error | undefined;
  let wake = () => {};
  const stop = store.watch({
    key,
    startRevision: since + 1,
    onEvents: (events) => {
      for (const { type, kv } of events) found.push({ kv, deleted: type === 'delete' });
      wake();
    },
    onEnd: (error) => {
      failure = error;
      wake();
    },
  });
  if (store.givesPastLater) {
    const { kvs } = await store.range({ key });
    const newest = kvs[0]?.modRevision ?? Infinity;
    const until = clock.now() + pastMs;
    while (!failure && clock.now() < until && newest > since && (found.at(-1)?.kv.modRevision ?? 0) < newest)
      await new Promise<void>((resolve) => {
        const timer = clock.after(100, resolve);
        wake = () => {
          timer.cancel();
          resolve();
        };
      });
  }
  stop();
  if (failure) throw failure;
  return found;
}
