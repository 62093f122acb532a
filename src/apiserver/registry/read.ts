import type { AnyObject } from '../../machinery/meta.ts';
import { badRequest, gone, notFound, StatusError } from '../../machinery/status.ts';
import { CompactedError, prefixEnd, type Store } from '../../machinery/store.ts';
import { Entry } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Context } from '../context.ts';
import { predicateOf, selectedName } from './select.ts';

/** What a list found: entries, so that the encoder can join their bytes. */
export interface ListResult {
  entries: Entry[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** `/registry/pods/default/web`. */
export const keyFor = (cache: ResourceCache, namespace: string | undefined, name: string): string =>
  namespace ? `${cache.prefix}${namespace}/${name}` : `${cache.prefix}${name}`;

export function get(cache: ResourceCache, context: Context): Entry {
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

function tooLargeRevision(wanted: number, now: number): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${now}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

interface Token {
  rv: number;
  start: string;
}
const encodeToken = (token: Token): string =>
  btoa(JSON.stringify({ v: 'meta.k8s.io/v1', ...token })).replace(/=+$/, '');
function decodeToken(text: string): Token {
  try {
    const token = JSON.parse(atob(text));
    if (Number.isInteger(token.rv) && typeof token.start === 'string') return token;
  } catch {
    // falls through to the one error that clients know
  }
  throw badRequest(`continue key is not valid: ${JSON.stringify(text).slice(0, 100)}`);
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
  const token = options.continue ? decodeToken(options.continue) : undefined;
  const wanted = token?.rv ?? revisionOf(options.resourceVersion);
  if (wanted > cache.revision) throw tooLargeRevision(wanted, cache.revision);
  const exact = token !== undefined || (options.resourceVersionMatch === 'Exact' && wanted > 0);
  const start = token ? prefix + token.start : prefix;

  let source: Iterable<Entry>;
  let revision = cache.revision;
  const name = selectedName(options);
  if (exact && wanted > 0 && cache.changed > wanted) {
    source = await readPast(cache, store, prefix, start, wanted);
    revision = wanted;
  } else if (name !== undefined && namespace) {
    const one = cache.get(prefix + name);
    source = one ? [one] : [];
  } else {
    source = cache.range(prefix, start);
    if (exact) revision = wanted;
  }

  const limit = options.limit ?? 0;
  const entries: Entry[] = [];
  let remaining = 0;
  let more = false;
  for (const entry of source) {
    if (accepts && !accepts(entry.object)) continue;
    if (limit && entries.length === limit) {
      more = true;
      if (accepts) break;
      remaining++;
    } else entries.push(entry);
  }
  if (!more) return { entries, revision };
  const next = entries.at(-1)!.key.slice(prefix.length) + '\0';
  return {
    entries,
    revision,
    continue: encodeToken({ rv: revision, start: next }),
    ...(accepts ? {} : { remaining }),
  };
}

function checkListOptions({ options }: Context): void {
  const { resourceVersion, resourceVersionMatch, continue: token } = options;
  if (resourceVersionMatch && !['Exact', 'NotOlderThan'].includes(resourceVersionMatch)) {
    throw badRequest(
      `resourceVersionMatch: Unsupported value: ${JSON.stringify(resourceVersionMatch)}: supported values: "Exact", "NotOlderThan", ""`,
    );
  }
  if (resourceVersionMatch && !resourceVersion) {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  if (resourceVersionMatch === 'Exact' && resourceVersion === '0') {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"',
    );
  }
  if (token && resourceVersion && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
}

async function readPast(
  cache: ResourceCache,
  store: Store,
  prefix: string,
  start: string,
  revision: number,
): Promise<Entry[]> {
  try {
    const { kvs } = await store.range({ key: start, end: prefixEnd(prefix), revision });
    return kvs.map((kv) => Entry.fromBytes(cache.kind, kv.key, kv.value, kv.modRevision));
  } catch (error) {
    if (error instanceof CompactedError) {
      throw gone(
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
      );
    }
    throw error;
  }
}

/** The object as this version serves it. */
export const convertOut = (context: Context, object: AnyObject): AnyObject =>
  context.served.fromStorage ? context.served.fromStorage(object) : object;
