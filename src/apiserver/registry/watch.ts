import type { Options } from '../../client/client.ts';
import { type FieldError, field, gone, invalid } from '../../machinery/status.ts';
import type { Entry } from '../cache/entry.ts';
import type { CacheEvent, ResourceCache } from '../cache/resource-cache.ts';
import type { Context } from '../context.ts';
import { listOptions, revisionOf, tooLargeRevision } from './read.ts';
import { predicateOf, selectedName } from './select.ts';
import { InOrder } from './view.ts';

export interface WatchSink {
  /** Part of the state with which a watch begins. */
  initial(entry: Entry): void;
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED', event: CacheEvent): void;
  /** `initialEnd`: the state is complete, what follows are changes. */
  bookmark(revision: number, initialEnd: boolean): void;
  /** What comes next cannot be shown: the watch is over. */
  fail(error: unknown): void;
}

export interface Watching {
  stop(): void;
  /** Sends a bookmark of now, after all that happened before. */
  bookmark(): void;
}

/**
 * Starts a watch. With a selector, an object that begins to match is ADDED and one that
 * ceases to is DELETED. Throws 410 when the history that it needs is gone, 400 for options that do not go together.
 */
export function watch(cache: ResourceCache, context: Context, sink: WatchSink): Watching {
  const { options, namespace, served, name } = context;
  const accepts = predicateOf(served.kind, options);
  const prefix = namespace ? `${cache.prefix}${namespace}/` : cache.prefix;
  const chosen = name ?? (namespace || !served.kind.namespaced ? selectedName(options) : undefined);
  const only = chosen === undefined ? undefined : prefix + chosen;
  const mine = (key: string) => (only === undefined ? key.startsWith(prefix) : key === only);
  const wanted = revisionOf(options.resourceVersion);
  checkWatchOptions(options);
  const streamed = options.sendInitialEvents === true;
  if (streamed && wanted > cache.revision) throw tooLargeRevision(wanted, cache.revision);

  const { view } = served;
  const order = new InOrder();
  let stopped = false;
  const fail = (error: unknown) => {
    if (!stopped) sink.fail(error);
    stopped = true;
  };
  const show = (event: CacheEvent) => {
    if (stopped) return;
    const was = event.previous !== undefined && (!accepts || accepts(event.previous.object));
    const is = !event.deleted && (!accepts || accepts(event.entry.object));
    if (is) sink.event(was ? 'MODIFIED' : 'ADDED', event);
    else if (was) sink.event('DELETED', event.deleted ? event : event.departure);
  };
  const onEvent = (event: CacheEvent) => {
    if (event.revision <= wanted || !mine(event.entry.key)) return;
    if (view) order.push(view.event(event), show, fail);
    else show(event);
  };
  const showInitial = (entries: Iterable<Entry>) => {
    for (const entry of entries) if (!stopped && (!accepts || accepts(entry.object))) sink.initial(entry);
  };
  const bookmark = (revision: number, initialEnd: boolean) =>
    order.push(revision, (at) => stopped || sink.bookmark(at, initialEnd), fail);
  const started = (unwatch: () => void): Watching => ({
    stop() {
      stopped = true;
      unwatch();
    },
    bookmark: () => bookmark(cache.revision, false),
  });

  const lost = () => fail(gone('The resourceVersion for the provided watch is too old.'));
  if (!streamed && wanted > 0) return started(cache.watch(wanted, onEvent, lost));
  if (options.sendInitialEvents !== false || !options.resourceVersion) {
    const all = only === undefined ? cache.range(prefix) : [cache.get(only)].filter((e) => e !== undefined);
    if (view) order.push(view.entries([...all]), showInitial, fail);
    else showInitial(all);
  }
  if (streamed && options.allowWatchBookmarks) bookmark(cache.revision, true);
  return started(cache.watch(cache.revision, onEvent, lost));
}

/** Checks options that do not go together. Throws 422. */
function checkWatchOptions({ sendInitialEvents, resourceVersionMatch: match }: Options): void {
  const at = field('resourceVersionMatch');
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan')
    errors.push(at.forbidden('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (match && sendInitialEvents === undefined)
    errors.push(
      at.forbidden('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
    );
  if (match && match !== 'NotOlderThan') errors.push(at.notSupported(match, ['NotOlderThan']));
  if (errors.length) throw invalid(listOptions, '', errors);
}
