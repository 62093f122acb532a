import { isStatusError } from '../../machinery/status.ts';
import { command } from '../command.ts';
import type { ProxyHandler } from '../environment.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { join, normalize } from '../paths.ts';

const patterns = (list: string): RegExp[] =>
  list
    .split(',')
    .filter(Boolean)
    .map((text) => new RegExp(text));
const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-encoding',
  'host',
]);

export const proxy = command({
  name: 'proxy',
  usage: 'proxy [--port=PORT] [--www=static-dir] [--www-prefix=prefix] [--api-prefix=prefix]',
  summary: 'Run a proxy to the Kubernetes API server',
  description:
    'Creates a proxy server between localhost and the Kubernetes API server: whoever can reach it acts with your credentials.',
  examples: [
    ['Serve the API on port 8001 of this machine', 'kubectl proxy'],
    ['Serve it on any free port', 'kubectl proxy --port=0'],
  ],
  flags: {
    'accept-hosts': flag.string('Regular expression for hosts that the proxy should accept.', {
      default: '^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$',
    }),
    'accept-paths': flag.string('Regular expression for paths that the proxy should accept.', {
      default: '^.*',
    }),
    address: flag.string('The IP address on which to serve on.', { default: '127.0.0.1' }),
    'api-prefix': flag.string('Prefix to serve the proxied API under.', { default: '/' }),
    'append-server-path': flag.bool('Accepted for compatibility.', { hidden: true }),
    'disable-filter': flag.bool('If true, disable request filtering in the proxy. This is dangerous.'),
    keepalive: flag.duration('Accepted for compatibility.', { hidden: true }),
    port: flag.int('The port on which to run the proxy. Set to 0 to pick a random port.', {
      default: 8001,
      short: 'p',
    }),
    'reject-methods': flag.string('Regular expression for HTTP methods that the proxy should reject.', {
      default: '^$',
    }),
    'reject-paths': flag.string('Regular expression for paths that the proxy should reject.', {
      default: '^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach',
    }),
    'unix-socket': flag.string('Unix socket on which to run the proxy.', { short: 'u' }),
    www: flag.string('Also serve static files from the given directory under the specified prefix.', {
      short: 'w',
    }),
    'www-prefix': flag.string('Prefix to serve static files under.', { default: '/static/', short: 'P' }),
  },
  async run(context) {
    const { flags: f, given, environment, out, signal } = context;
    if (f['unix-socket'] && given.has('port'))
      throw new KubectlError('cannot set --unix-socket and --port at the same time');
    const kube = await context.kube();
    const hosts = patterns(f['accept-hosts']);
    const [accepted, rejected, methods] = [
      patterns(f['accept-paths']),
      patterns(f['reject-paths']),
      patterns(f['reject-methods']),
    ];
    const allowed = (host: string, path: string, method: string): boolean =>
      f['disable-filter'] ||
      (hosts.some((p) => p.test(host)) &&
        accepted.some((p) => p.test(path)) &&
        !rejected.some((p) => p.test(path)) &&
        !methods.some((p) => p.test(method)));
    const apiPrefix = f['api-prefix'].replace(/\/$/, '');
    const handle: ProxyHandler = async ({ method, url, headers, body, signal: gone }) => {
      const path = url.split('?')[0]!;
      const host = (headers.host ?? '').replace(/:\d+$/, '');
      if (!allowed(host, path, method)) return { status: 403, headers: {}, body: 'Forbidden' };
      if (f.www && path.startsWith(f['www-prefix'])) return staticFile(path.slice(f['www-prefix'].length));
      if (!url.startsWith(apiPrefix)) return { status: 404, headers: {}, body: '404 page not found\n' };
      const passed = Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name)));
      try {
        const response = await kube.rest.http.request({
          method: method as 'GET',
          path: url.slice(apiPrefix.length) || '/',
          headers: passed,
          body: body.length ? body : undefined,
          stream: true,
          signal: AbortSignal.any([signal, gone]),
        });
        const replied = Object.fromEntries(
          Object.entries(response.headers).filter(([name]) => !hopHeaders.has(name)),
        );
        return { status: response.status, headers: replied, body: response.stream() };
      } catch (error) {
        if (!isStatusError(error)) throw error;
        return { status: 502, headers: { 'content-type': 'text/plain' }, body: `${error.message}\n` };
      }
    };
    const staticFile = async (name: string): ReturnType<ProxyHandler> => {
      const path = join(f.www, normalize(`/${decodeURIComponent(name)}`));
      const info = await environment.files.stat(path);
      if (info?.type !== 'file') return { status: 404, headers: {}, body: '404 page not found\n' };
      return {
        status: 200,
        headers: { 'content-type': contentType(path) },
        body: await environment.files.read(path),
      };
    };
    const where = f['unix-socket'] ? { path: f['unix-socket'] } : { host: f.address, port: f.port };
    const listener = await environment.serve(where, handle);
    out.line(`Starting to serve on ${f['unix-socket'] || `${f.address}:${listener.port}`}`);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await listener.close();
    return 130;
  },
});

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  svg: 'image/svg+xml',
  png: 'image/png',
};
const contentType = (path: string): string => types[path.split('.').at(-1)!] ?? 'application/octet-stream';
