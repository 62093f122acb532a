import type { ApiRequest, Options } from '../../client/client.ts';
import { badRequest, StatusError } from '../../machinery/status.ts';

/** What a path under /api or /apis names. */
export interface Target {
  group: string;
  version: string;
  plural: string;
  namespace?: string;
  name?: string;
  subresource?: string;
  /** What follows `proxy`. */
  rest: string;
}

/**
 * Takes apart `/api/v1/namespaces/default/pods/web/log` and its kind; undefined for paths that name no resource.
 * `/api/v1/namespaces/default` is the namespace itself, as is `/api/v1/namespaces/default/status`.
 */
export function parseTarget(path: string): Target | undefined {
  const parts = path.split('/').filter(Boolean).map(decode);
  let at: number;
  let group: string;
  let version: string;
  if (parts[0] === 'api' && parts.length > 2) [group, version, at] = ['', parts[1]!, 2];
  else if (parts[0] === 'apis' && parts.length > 3) [group, version, at] = [parts[1]!, parts[2]!, 3];
  else return undefined;
  let namespace: string | undefined;
  if (
    parts[at] === 'namespaces' &&
    parts.length > at + 2 &&
    !(group === '' && ['status', 'finalize'].includes(parts[at + 2]!))
  ) {
    namespace = parts[at + 1]!;
    at += 2;
  }
  const [plural, name, subresource, ...rest] = parts.slice(at);
  return {
    group,
    version,
    plural: plural!,
    namespace,
    name,
    subresource,
    rest: rest.length ? `/${rest.join('/')}` : '',
  };
}

/** Throws 400 for an escape that stands for nothing. */
function decode(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) throw badRequest(`invalid URL escape in ${JSON.stringify(part)}`);
    throw error;
  }
}

const verbs: Record<string, ApiRequest['verb']> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

export function verbOf(method: string, target: Target, query: URLSearchParams): ApiRequest['verb'] {
  if (method === 'GET' || method === 'HEAD') {
    const watching = ['1', 'true', 'True', 'TRUE'].includes(query.get('watch') ?? '');
    if (watching && !target.subresource) return 'watch';
    return target.name ? 'get' : 'list';
  }
  // What is proxied may be asked for its options; no rule names a verb for it, so that only `*` allows it.
  if (method === 'OPTIONS' && target.subresource === 'proxy') return '' as ApiRequest['verb'];
  const verb = Object.hasOwn(verbs, method) ? verbs[method] : undefined;
  if (!verb)
    throw new StatusError(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  return verb === 'delete' && !target.name ? 'deletecollection' : verb;
}

const numbers = ['limit', 'timeoutSeconds', 'gracePeriodSeconds'] as const;
const booleans = ['allowWatchBookmarks', 'sendInitialEvents', 'force'] as const;
const texts = [
  'labelSelector',
  'fieldSelector',
  'resourceVersion',
  'resourceVersionMatch',
  'continue',
  'fieldManager',
  'fieldValidation',
  'propagationPolicy',
] as const;

/** The options that a query carries. Throws 400 for what cannot be read. */
export function optionsOf(query: URLSearchParams): Options {
  const options: Options = {};
  if (query.size === 0) return options;
  for (const name of texts) {
    const value = query.get(name);
    if (value) (options as Record<string, unknown>)[name] = value;
  }
  for (const name of numbers) {
    const value = query.get(name);
    if (value === null || value === '') continue;
    if (!/^-?\d+$/.test(value))
      throw badRequest(`${name}: Invalid value: ${JSON.stringify(value)}: must be an integer`);
    options[name] = Number(value);
  }
  for (const name of booleans) {
    const value = query.get(name);
    if (value !== null) options[name] = value === '' || value === '1' || value.toLowerCase() === 'true';
  }
  const dryRun = query.getAll('dryRun').filter(Boolean);
  if (dryRun.length) {
    options.dryRun = (dryRun.find((d) => d !== 'All') ?? 'All') as 'All';
  }
  return options;
}

/** A DeleteOptions body says the same things as the query, and more. */
export function deleteOptions(options: Options, body: any): Options {
  if (!body || typeof body !== 'object') return options;
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun, orphanDependents } = body;
  return {
    ...options,
    ...(gracePeriodSeconds !== undefined && gracePeriodSeconds !== null ? { gracePeriodSeconds } : {}),
    ...(propagationPolicy
      ? { propagationPolicy }
      : orphanDependents !== undefined && orphanDependents !== null
        ? { propagationPolicy: orphanDependents ? ('Orphan' as const) : ('Background' as const) }
        : {}),
    ...(preconditions ? { preconditions } : {}),
    ...(dryRun?.length ? { dryRun: dryRun.find((d: unknown) => d !== 'All') ?? 'All' } : {}),
  };
}
