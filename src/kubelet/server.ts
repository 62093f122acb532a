// The kubelet's HTTP interface, as an API server of any make asks it. Platform-free: node/server.ts carries it over TLS.
import { StatusError } from '../machinery/status.ts';
import type { KubeletApi, LogOptions, StreamOptions } from './api.ts';
import { kubeletMetrics } from './own-metrics.ts';

const text = (body: string, status = 200): Response =>
  new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
const json = (value: unknown): Response => Response.json(value);

const flag = (params: URLSearchParams, name: string): boolean =>
  ['1', 'true'].includes(params.get(name) ?? '');
const whole = (params: URLSearchParams, name: string): Record<string, number> =>
  params.has(name) ? { [name]: Number(params.get(name)) } : {};

function logOptions(params: URLSearchParams): LogOptions & { previous?: boolean } {
  const sinceTime = params.get('sinceTime');
  const stream = params.get('stream');
  return {
    follow: flag(params, 'follow'),
    previous: flag(params, 'previous'),
    timestamps: flag(params, 'timestamps'),
    ...whole(params, 'tailLines'),
    ...whole(params, 'sinceSeconds'),
    ...whole(params, 'limitBytes'),
    ...(sinceTime ? { sinceTime } : {}),
    ...(stream ? { stream } : {}),
  };
}

/** Reads as far as the other side takes; giving up ends the source. */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const source = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    async cancel() {
      await source.return?.();
    },
  });
}

/** `/exec/NAMESPACE/POD[/UID]/CONTAINER`: the uid may be left out. */
function placeOf(parts: string[]): { namespace: string; pod: string; container: string } {
  const [namespace = '', pod = ''] = parts;
  return { namespace, pod, container: parts.length > 2 ? parts.at(-1)! : '' };
}

const refused = (error: unknown): Response => {
  if (error instanceof StatusError) return text(error.message, error.code);
  throw error;
};

/** Answers what is asked with plain requests. */
export async function handle(api: KubeletApi, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [what = '', ...parts] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const place = placeOf(parts);
  const route = `${request.method} ${what}`;
  try {
    if (route === 'GET healthz') return api.healthy() ? text('ok') : text('not healthy', 500);
    if (route === 'GET pods')
      return json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: api.pods() });
    if (route === 'GET stats' && parts[0] === 'summary') return json(await api.stats());
    // `/metrics/resource` is what the pods use; `/metrics` is that, and what the kubelet says of itself.
    if (route === 'GET metrics' && parts[0] === 'probes') return text(api.probes());
    if (route === 'GET metrics') {
      const own = parts.length ? '' : kubeletMetrics(api.pods() as never, api.imageVolumes());
      return text(own + (await api.metrics()));
    }
    if (route === 'GET containerLogs') {
      const { namespace, pod, container } = place;
      const log = await api.containerLogs(
        namespace,
        pod,
        container,
        logOptions(url.searchParams),
        request.signal,
      );
      return new Response(streamOf(log), { headers: { 'content-type': 'text/plain; charset=utf-8' } });
    }
    if (route === 'POST run') {
      const command = url.searchParams.getAll('cmd').flatMap((cmd) => cmd.split(' '));
      const { output } = await api.run(place.namespace, place.pod, place.container, command);
      return text(new TextDecoder().decode(output));
    }
    return text('404 page not found', 404);
  } catch (error) {
    return refused(error);
  }
}

/** Where a connection that is to be upgraded goes: the runtime's own endpoint. undefined: it is none of these. */
export async function streamUrl(api: KubeletApi, target: string): Promise<string | undefined> {
  const url = new URL(target, 'https://kubelet');
  const [what, ...parts] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const { namespace, pod, container } = placeOf(parts);
  const params = url.searchParams;
  const options: StreamOptions = {
    stdin: flag(params, 'input'),
    stdout: flag(params, 'output'),
    stderr: flag(params, 'error'),
    tty: flag(params, 'tty'),
  };
  if (what === 'exec')
    return (await api.exec(namespace, pod, container, params.getAll('command'), options)).url;
  if (what === 'attach') return (await api.attach(namespace, pod, container, options)).url;
  if (what === 'portForward')
    return (await api.portForward(namespace, pod, params.getAll('port').map(Number))).url;
  return undefined;
}
