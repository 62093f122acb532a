import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { isIP, isIPv6 } from 'node:net';
import { nodes } from '../../../api/core/node.ts';
import type { Node } from '../../../api/core/v1.gen.ts';
import { badRequest, internalError, StatusError } from '../../../machinery/status.ts';
import type { ApiServer } from '../../server.ts';
import type {
  KubeletConnection,
  KubeletConnections,
  KubeletRequest,
  PodRef,
  StreamEndpoint,
  StreamOptions,
} from '../../streams/kubelet-connection.ts';
import { stored } from '../../streams/pod-target.ts';

/** How the API server speaks to kubelets. Source: "kube-apiserver", --kubelet-client-certificate and its like. */
export interface KubeletTrust {
  /** PEM: who we are. */
  cert?: string;
  key?: string;
  /** PEM: who vouches for kubelets; without it, they are believed. */
  ca?: string | undefined;
  /** Which of a node's addresses is taken: the first sort that it has. */
  addressTypes: readonly string[];
}

export const preferredAddressTypes = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP'];

const defaultPort = 10250;
const connectMs = 30_000;
const mostRefusal = 50_000;

/** Kubelets as their HTTPS servers, at the addresses that their nodes report. */
export function httpsKubelets(server: () => ApiServer | undefined, trust: KubeletTrust): KubeletConnections {
  const { cert, key, ca } = trust;
  const tls = { cert, key, ca, rejectUnauthorized: ca !== undefined };
  const agent = new Agent({ ...tls, keepAlive: true, maxFreeSockets: 4, timeout: 30_000 });
  return {
    find(nodeName) {
      const running = server();
      const node = running && stored(running, nodes, undefined, nodeName);
      return node && kubelet(baseOf(node, trust.addressTypes), trust, agent);
    },
  };
}

/** `https://10.0.0.7:10250`. Throws 500 when the node reports no address. */
function baseOf({ metadata, status }: Node, types: readonly string[]): string {
  const type = types.find((one) => status?.addresses?.some((address) => address.type === one));
  const address = status?.addresses?.find((one) => one.type === type)?.address;
  if (!type || !address)
    throw internalError(
      `no preferred addresses found; known addresses: ${JSON.stringify(status?.addresses ?? [])} (node ${metadata.name})`,
    );
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port || defaultPort;
  return `https://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

const query = (values: Record<string, unknown>): string => {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== false) params.append(name, String(one));
  }
  return params.size ? `?${params}` : '';
};
const path = (...parts: string[]): string => `/${parts.map(encodeURIComponent).join('/')}`;

function kubelet(base: string, { cert, key, ca }: KubeletTrust, agent: Agent): KubeletConnection {
  const endpoint = (place: string, values: Record<string, unknown>): StreamEndpoint => ({
    url: `${base}${place}${query(values)}`,
    tls: { ...(cert && key ? { cert, key } : {}), ...(ca ? { ca } : { insecure: true }) },
  });
  const streams = ({ stdin, stdout, stderr, tty }: StreamOptions) => ({
    input: stdin && 1,
    output: stdout && 1,
    error: stderr && 1,
    tty: tty && 1,
  });
  const place = (what: string, { namespace, name }: PodRef, ...more: string[]) =>
    path(what, namespace, name, ...more);
  return {
    async logs(pod, container, options, signal) {
      const url = `${base}${place('containerLogs', pod, container)}${query({ ...options })}`;
      const response = await send(url, agent, { method: 'GET', signal });
      if (response.statusCode! >= 200 && response.statusCode! <= 206) return response;
      throw await refusalOf(response, pod.name);
    },
    execUrl: async (pod, container, command, options) =>
      endpoint(place('exec', pod, container), { command, ...streams(options) }),
    attachUrl: async (pod, container, options) => endpoint(place('attach', pod, container), streams(options)),
    portForwardUrl: async (pod, ports) => endpoint(place('portForward', pod), { port: ports }),
    async proxy(request) {
      const response = await send(`${base}${request.path}${search(request)}`, agent, request);
      return {
        code: response.statusCode!,
        headers: response.headers as Record<string, string | string[]>,
        body: response,
      };
    },
  };
}

const search = ({ query: params }: KubeletRequest): string => (params.size ? `?${params}` : '');

type Outgoing = Pick<KubeletRequest, 'method' | 'signal'> & Partial<Pick<KubeletRequest, 'headers' | 'body'>>;

/** Redirects are not followed. Throws 500 with what the system says when nobody is there. */
function send(
  url: string,
  agent: Agent,
  { method, headers, body, signal }: Outgoing,
): Promise<IncomingMessage> {
  const { hostname, host } = new URL(url);
  const servername = isIP(hostname.replace(/^\[|\]$/g, '')) ? '' : hostname;
  const request = httpsRequest(url, {
    ...{ method, agent, servername, signal },
    headers: { ...headers, host },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    let has = false;
    request.setTimeout(connectMs, () => {
      // A log may be silent for days.
      if (!has) request.destroy(new Error('dial: i/o timeout'));
    });
    request.on('response', (response) => {
      has = true;
      resolve(response);
    });
    request.on('upgrade', (_response, socket) => socket.destroy());
    const fail = (error: Error) => reject(internalError(`Get ${JSON.stringify(url)}: ${error.message}`));
    request.on('error', fail);
    request.on('close', () => fail(new Error('EOF')));
  });
  const write = async () => {
    if (body && method !== 'GET' && method !== 'HEAD') {
      for await (const chunk of body()) {
        if (request.destroyed) return;
        if (!request.write(chunk))
          await new Promise((resolve) => request.once('drain', resolve).once('close', resolve));
      }
    }
    request.end();
  };
  write().catch((error) => request.destroy(error));
  return answered;
}

/** What a kubelet says instead of a log, as a Status. */
async function refusalOf(response: IncomingMessage, pod: string): Promise<StatusError> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part;
    if (text.length > mostRefusal) break;
  }
  const code = response.statusCode!;
  if (code === 500) return internalError(text);
  if (code === 400) return badRequest(text);
  const reasons: Record<number, string> = { 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound' };
  const why =
    code === 404 ? 'the server could not find the requested resource' : `the kubelet answered ${code}`;
  return new StatusError(
    code < 400 ? 502 : code,
    reasons[code] ?? 'InternalError',
    `${why} ( pods/log ${pod}): ${text}`,
  );
}
