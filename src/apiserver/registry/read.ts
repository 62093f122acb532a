import {
  badRequest,
  type FieldError,
  field,
  gone,
  invalid,
  notFound,
  StatusError,
} from '../../machinery/status.ts';
import { CompactedError, prefixEnd, type Store } from '../../machinery/store.ts';
import { Entry } from '../cache/entry.ts';
import type { Joined, ResourceCache } from '../cache/resource-cache.ts';
import type { Context } from '../context.ts';
import { storeProblem } from '../store-problem.ts';
import { predicateOf, selectedName } from './select.ts';
import type { MaybePromise } from './view.ts';

/** What a list found: entries, so that the encoder can join their bytes. */
export interface ListResult {
  /** Where the bytes of all its items may be kept for the next one who asks. */
  joined?: Joined;
  entries: Entry[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** `/registry/pods/default/web`. */
export const keyFor = (cache: ResourceCache, namespace: string | undefined, name: string): string =>
  namespace ? `${cache.prefix}${namespace}/${name}` : `${cache.prefix}${name}`;

/** The object in the form of the version that is asked for. Throws 404. */
export function get(cache: ResourceCache, context: Context): MaybePromise<Entry> {
  const entry = getStored(cache, context);
  const { view } = context.served;
  return view ? view.entry(entry) : entry;
}

/** The object as the store has it; the same for built-in kinds but for a few. Throws 404. */
export function getStored(cache: ResourceCache, context: Context): Entry {
  const wanted = revisionOf(context.options.resourceVersion);
  if (wanted > cache.revision) throw tooLargeRevision(wanted, cache.revision);
  const entry = cache.get(keyFor(cache, context.namespace, context.name!));
  if (!entry) throw notFound(context.served.kind, context.name!);
  return entry;
}

/** Parses a resource version. Throws 400 for what is not a number. */
export function revisionOf(text: string | undefined): number {
  if (!text) return 0;
  if (!/^\d+$/.test(text)) {
    throw badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return Number(text);
}

export function tooLargeRevision(wanted: number, now: number): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${now}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** Where a list goes on. `rv` -1: in the newest state, for those whose own state is forgotten. */
interface Token {
  rv: number;
  start: string;
}
const encodeToken = (token: Token): string =>
  btoa(String.fromCharCode(...encoder.encode(JSON.stringify({ v: 'meta.k8s.io/v1', ...token })))).replace(
    /=+$/,
    '',
  );
const encoder = new TextEncoder();
function decodeToken(text: string): Token {
  try {
    const token = JSON.parse(atob(text));
    if (Number.isInteger(token.rv) && typeof token.start === 'string') return token;
  } catch {
    // falls through to the one error that clients know
  }
  throw badRequest(`continue key is not valid: ${JSON.stringify(text).slice(0, 100)}`);
}

/** What a list goes through: entries in order, in the state of one revision. */
interface Source {
  entries: AsyncIterable<Entry> | Iterable<Entry>;
  revision: number;
  /** How many entries there are in all; unknown where they must be counted. */
  count?: number;
}

/**
 * Lists by the rules of "Resource versions" in the API concepts: "" and "0" are the newest state (the cache is as new as
 * the store), N is that or newer, Exact is the state at N; a continuation goes on in the state in which it began.
 */
export async function list(cache: ResourceCache, store: Store, context: Context): Promise<ListResult> {
  const { options, served, namespace } = context;
  checkListOptions(context);
  const accepts = predicateOf(served.kind, options);
  const prefix = namespace ? `${cache.prefix}${namespace}/` : cache.prefix;
  const limit = Math.max(0, options.limit ?? 0);
  const found = await sourceOf(cache, store, context, prefix, limit);
  const { revision, count } = found;
  const { view } = served;
  // What a selector looks at is what is shown.
  const source = view && accepts ? await view.entries(await whole(found.entries)) : found.entries;

  const entries: Entry[] = [];
  let fetched = 0;
  let remaining = 0;
  let more = false;
  const take = (entry: Entry): boolean => {
    fetched++;
    if (accepts && !accepts(entry.object)) return true;
    if (!limit || entries.length < limit) {
      entries.push(entry);
      return true;
    }
    more = true;
    remaining++;
    return !accepts && count === undefined;
  };
  if (Symbol.asyncIterator in source) {
    for await (const entry of source) if (!take(entry)) break;
  } else for (const entry of source) if (!take(entry)) break;
  const { counts } = cache;
  counts.lists++;
  counts.fetched += fetched;
  counts.returned += entries.length;
  const shown = view && !accepts ? await view.entries(entries) : entries;
  const all = !limit && !accepts && !view && !options.continue && !(Symbol.asyncIterator in source);
  if (!more) return { entries: shown, revision, ...(all ? { joined: cache.joined(prefix) } : {}) };
  const next = `${entries.at(-1)!.key.slice(prefix.length)}\0`;
  return {
    entries: shown,
    revision,
    continue: encodeToken({ rv: revision, start: next }),
    ...(accepts ? {} : { remaining: count === undefined ? remaining : count - entries.length }),
  };
}

async function whole(entries: Source['entries']): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

async function sourceOf(
  cache: ResourceCache,
  store: Store,
  context: Context,
  prefix: string,
  limit: number,
): Promise<Source> {
  const { options, namespace } = context;
  const token = options.continue ? decodeToken(options.continue) : undefined;
  const wanted = token ? Math.max(0, token.rv) : revisionOf(options.resourceVersion);
  if (wanted > cache.revision) throw tooLargeRevision(wanted, cache.revision);
  const exact = wanted > 0 && (token !== undefined || options.resourceVersionMatch === 'Exact');
  const start = prefix + (token?.start ?? '');
  if (exact && cache.changed > wanted) return readPast(cache, store, prefix, start, wanted, limit);
  const name = selectedName(options);
  if (name !== undefined && namespace) {
    const one = cache.get(prefix + name);
    return { entries: one ? [one] : [], revision: cache.revision };
  }
  return { entries: cache.range(prefix, start), revision: exact ? wanted : cache.revision };
}

/** Checks options that do not go together. Throws 422. */
function checkListOptions({ options }: Context): void {
  const { resourceVersion, resourceVersionMatch: match, continue: token, sendInitialEvents } = options;
  const at = field('resourceVersionMatch');
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined)
    errors.push(field('sendInitialEvents').forbidden('sendInitialEvents is forbidden for list'));
  if (match) {
    if (!resourceVersion)
      errors.push(at.forbidden('resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (token) errors.push(at.forbidden('resourceVersionMatch is forbidden with continue'));
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(at.notSupported(match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(at.forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (errors.length) throw invalid(listOptions, '', errors);
  if (token && resourceVersion && resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
}
export const listOptions = { group: 'meta.k8s.io', kind: 'ListOptions' };

/** The state at an older revision, read from the store a page at a time. Throws 410 with a token to go on anyhow. */
async function readPast(
  cache: ResourceCache,
  store: Store,
  prefix: string,
  start: string,
  revision: number,
  limit: number,
): Promise<Source> {
  const end = prefixEnd(prefix);
  const read = async (key: string) => {
    try {
      return await store.range({ key, end, revision, ...(limit ? { limit: limit + 1 } : {}) });
    } catch (error) {
      if (!(error instanceof CompactedError)) throw storeProblem(error);
      throw forgotten(start.slice(prefix.length));
    }
  };
  let page = await read(start);
  const { count } = page;
  async function* entries(): AsyncIterable<Entry> {
    while (true) {
      for (const kv of page.kvs) yield Entry.fromBytes(cache.kind, kv.key, kv.value, kv.modRevision);
      if (!page.more) return;
      page = await read(`${page.kvs.at(-1)!.key}\0`);
    }
  }
  return { entries: entries(), revision, count };
}

function forgotten(start: string): StatusError {
  const error = gone(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  );
  if (start) error.status.metadata = { continue: encodeToken({ rv: -1, start }) };
  return error;
}
