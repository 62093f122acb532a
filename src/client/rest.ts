// The REST form of an API request, over any HTTP client.
// https://kubernetes.io/docs/reference/using-api/api-concepts/
import type { WatchEvent } from '../machinery/meta.ts';
import { fromStatus, type Status, StatusError } from '../machinery/status.ts';
import type { ApiRequest, Options, PatchType, Transport } from './client.ts';
import { ConnectionError, type HttpClient, type HttpRequest, type HttpResponse } from './http.ts';

export const methods: Record<ApiRequest['verb'], HttpRequest['method']> = {
  create: 'POST',
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};

export const patchContentTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

const queryOptions = [
  'labelSelector',
  'fieldSelector',
  'resourceVersion',
  'resourceVersionMatch',
  'limit',
  'continue',
  'timeoutSeconds',
  'allowWatchBookmarks',
  'sendInitialEvents',
  'dryRun',
  'fieldManager',
  'fieldValidation',
  'force',
  'includeObject',
] as const;

/** `/api/v1` or `/apis/apps/v1`. */
export const groupVersionPath = ({ group, version }: { group: string; version: string }): string =>
  group ? `/apis/${group}/${version}` : `/api/${version}`;

/** The path of a request, without its query: `/apis/apps/v1/namespaces/default/deployments/web/scale`. */
export function pathOf(
  request: Pick<ApiRequest, 'group' | 'version' | 'plural' | 'namespace' | 'name' | 'subresource'> & {
    namespaced?: boolean;
  },
): string {
  let path = groupVersionPath(request);
  if (request.namespaced !== false && request.namespace)
    path += `/namespaces/${encodeURIComponent(request.namespace)}`;
  path += `/${request.plural}`;
  if (request.name) path += `/${encodeURIComponent(request.name)}`;
  if (request.subresource) path += `/${request.subresource}`;
  return path;
}

/** The query of a request, with its `?`, or ''. */
export function queryOf(verb: ApiRequest['verb'], options: Options): string {
  const query = new URLSearchParams();
  const deleting = verb === 'delete' || verb === 'deletecollection';
  for (const name of queryOptions) {
    if (deleting && name === 'dryRun') continue;
    const value = options[name];
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  if (verb === 'watch') query.set('watch', 'true');
  query.sort();
  return query.size ? `?${query}` : '';
}

const metadataForms: Partial<Record<ApiRequest['verb'], string>> = {
  get: 'PartialObjectMetadata',
  list: 'PartialObjectMetadataList',
  watch: 'PartialObjectMetadata',
};

/** Servers that have no such form may give the whole. */
function acceptOf({ verb, options }: ApiRequest): string {
  const form = options.metadataOnly && metadataForms[verb];
  return form ? `application/json;as=${form};g=meta.k8s.io;v=v1,application/json` : 'application/json';
}

/** What the server is told in the body of a delete. */
function deleteBody(options: Options): string {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options;
  return JSON.stringify({
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds,
    propagationPolicy,
    preconditions,
    dryRun: dryRun ? [dryRun] : undefined,
  });
}

const reasons: Record<number, [string, string]> = {
  400: ['BadRequest', 'the server rejected our request for an unknown reason'],
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  403: ['Forbidden', 'the server does not allow access to the requested resource'],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  406: ['NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
  409: ['Conflict', 'the server reported a conflict'],
  410: ['Gone', 'the server no longer has the requested resource'],
  415: [
    'UnsupportedMediaType',
    'the server was unable to respond with a content type that the client supports',
  ],
  422: ['Invalid', 'the server rejected our request due to an error in our request'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  500: ['InternalError', 'an error on the server has prevented the request from succeeding'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: [
    'Timeout',
    'the server was unable to return a response in the time allotted, but may still be processing the request',
  ],
};

/** The error that a failed answer stands for: the Status in its body, or one made from its code. */
export function errorOf(code: number, body: string): StatusError {
  if (body.startsWith('{')) {
    try {
      const status = JSON.parse(body) as Status;
      if (status.kind === 'Status') return fromStatus({ ...status, code: status.code ?? code });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error; // a body that is no JSON says nothing: the code must do
    }
  }
  const [reason, message] = reasons[code] ?? [
    code >= 500 ? 'InternalError' : 'Unknown',
    `the server responded with the status code ${code} but did not return more information`,
  ];
  const said = body.trim() && code !== 404 ? ` (${body.trim().slice(0, 2048)})` : '';
  return new StatusError(code, reason, message + said, {});
}

export interface Rest extends Transport {
  readonly http: HttpClient;
  /** `accept` asks for another form than plain JSON, as `application/json;as=Table;v=v1;g=meta.k8s.io`. */
  request(request: ApiRequest, accept?: string): Promise<any>;
  watch(request: ApiRequest, accept?: string): AsyncIterable<WatchEvent[]>;
  /** An answer outside of the resources, as text. */
  text(path: string, options?: { accept?: string; signal?: AbortSignal }): Promise<string>;
  /** Any request; a failure is thrown as a StatusError. */
  send(request: HttpRequest): Promise<HttpResponse>;
}

/** Requests as REST. `onWarning` gets the texts of `Warning` headers. */
export function restTransport(
  http: HttpClient,
  options: { userAgent?: string; onWarning?: (text: string) => void } = {},
): Rest {
  const { userAgent = 'wherry', onWarning } = options;

  async function send(request: HttpRequest): Promise<HttpResponse> {
    const response = await http.request({
      ...request,
      headers: { 'user-agent': userAgent, ...request.headers },
    });
    if (onWarning && response.headers.warning)
      for (const text of warningsOf(response.headers.warning)) onWarning(text);
    if (response.status >= 400) throw errorOf(response.status, await response.text());
    return response;
  }

  function httpRequest(request: ApiRequest, accept = acceptOf(request)): HttpRequest {
    const { verb } = request;
    const headers: Record<string, string> = { accept };
    let body: string | undefined;
    if (verb === 'delete' || verb === 'deletecollection') {
      headers['content-type'] = 'application/json';
      body = deleteBody(request.options);
    } else if (request.body !== undefined) {
      headers['content-type'] =
        verb === 'patch' ? patchContentTypes[request.patchType ?? 'merge'] : 'application/json';
      body = typeof request.body === 'string' ? request.body : JSON.stringify(request.body);
    }
    return {
      method: methods[verb],
      path: pathOf(request) + queryOf(verb, request.options),
      headers,
      body,
      signal: request.options.signal,
      stream: verb === 'watch',
    };
  }

  return {
    http,
    send,
    async text(path, { accept = 'application/json', signal } = {}) {
      return (await send({ method: 'GET', path, headers: { accept }, signal })).text();
    },
    async request(request, accept) {
      const text = await (await send(httpRequest(request, accept))).text();
      return text === '' ? undefined : JSON.parse(text);
    },
    async *watch(request, accept) {
      const { signal } = request.options;
      try {
        yield* eventsOf(await send(httpRequest(request, accept)));
      } catch (error) {
        if (!signal?.aborted) throw error;
      }
    },
  };
}

/** Batches of events: those that came in one piece. An ERROR event is thrown; a broken connection ends the watch. */
async function* eventsOf(response: HttpResponse): AsyncGenerator<WatchEvent[]> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const piece of response.stream()) {
      rest += decoder.decode(piece, { stream: true });
      if (!rest.includes('\n')) continue;
      const lines = rest.split('\n');
      rest = lines.pop()!;
      const events: WatchEvent[] = [];
      for (const line of lines) {
        if (!line) continue;
        const event = JSON.parse(line) as WatchEvent;
        if ((event.type as string) === 'ERROR') {
          if (events.length) yield events;
          throw fromStatus(event.object as unknown as Status);
        }
        events.push(event);
      }
      if (events.length) yield events;
    }
  } catch (error) {
    // What was seen stands; whoever follows goes on from there.
    if (!(error instanceof ConnectionError)) throw error;
  }
}

/** Texts of a Warning header (RFC 7234): `299 - "text", 299 - "more"`. */
export function warningsOf(header: string): string[] {
  const found: string[] = [];
  for (const match of header.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g))
    found.push(match[1]!.replace(/\\(.)/g, '$1'));
  return found;
}
