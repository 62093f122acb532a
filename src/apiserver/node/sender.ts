import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  getCACertificates,
  type PeerCertificate,
  rootCertificates,
  type SecureContext,
} from 'node:tls';
import {
  type Dispatch,
  type Endpoint,
  OutboundError,
  type OutboundFailure,
  type OutboundResponse,
  type Sender,
  type Trust,
  type UpgradedConnection,
} from '../outbound/outbound.ts';

/** Agents, one for each sort of trust, the least recently used of which are given up. */
const maxAgents = 64;
/** Connections that wait for the next request are closed after this. */
const idleMs = 30_000;
const connectMs = 30_000;

/** HTTPS over sockets, HTTP/1.1, with connections that are kept. */
export function nodeSender(): Sender {
  const agents = new Map<string, Agent>();
  function agentFor(trust: Trust): Agent {
    const { caBundle, insecure, identity } = trust;
    const key = JSON.stringify([caBundle ?? '', insecure === true, identity?.cert ?? '']);
    let agent = agents.get(key);
    agents.delete(key);
    agent ??= new Agent({
      keepAlive: true,
      maxFreeSockets: 16,
      maxCachedSessions: 0,
      timeout: idleMs,
      secureContext: contextFor(trust),
      rejectUnauthorized: !insecure,
      ALPNProtocols: ['http/1.1'],
      // Node keeps no connection whose request checks this itself.
      checkServerIdentity: identityProblem,
    } as ConstructorParameters<typeof Agent>[0]);
    agents.set(key, agent);
    if (agents.size > maxAgents) {
      const [oldest, unused] = agents.entries().next().value!;
      agents.delete(oldest);
      closeIdle(unused);
    }
    return agent;
  }
  async function open(dispatch: Dispatch): Promise<ReturnType<typeof exchange>> {
    const { repeatable = ['GET', 'HEAD', 'OPTIONS'].includes(dispatch.method), body } = dispatch;
    const whole = body === undefined || body instanceof Uint8Array;
    for (let fresh = false; ; fresh = true) {
      try {
        return await exchange(dispatch, fresh ? undefined : agentFor(dispatch.trust));
      } catch (error) {
        // The server closed a kept connection in the moment in which we used it.
        if (!(error instanceof StaleConnection)) throw error;
        if (fresh || !repeatable || !whole) throw new OutboundError('network', 'EOF');
      }
    }
  }
  return {
    async send(dispatch) {
      const opened = await open(dispatch);
      if (!('socket' in opened)) return opened;
      opened.socket.destroy();
      throw new OutboundError('network', 'unexpected answer: 101 Switching Protocols');
    },
    upgrade: (dispatch) => exchange(dispatch, undefined),
    close() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}

function closeIdle(agent: Agent): void {
  Object.assign(agent, { keepAlive: false });
  for (const sockets of Object.values(agent.freeSockets)) for (const s of sockets ?? []) s.destroy();
}

let systemRoots: string[] | undefined;

function contextFor({ caBundle, identity }: Trust): SecureContext {
  let ca: string[] | string;
  if (caBundle) {
    ca = Buffer.from(caBundle, 'base64').toString();
    if (!ca.includes('-----BEGIN CERTIFICATE-----')) {
      throw new OutboundError('tls', 'unable to load root certificates: unable to parse bytes as PEM block');
    }
  } else ca = systemRoots ??= [...rootCertificates, ...getCACertificates('system')];
  try {
    // As in Go, whatever the bundle has is trusted, be it a server's own certificate.
    return createSecureContext({ ca, ...identity, minVersion: 'TLSv1.2', allowPartialTrustChain: true });
  } catch (error) {
    throw new OutboundError('tls', `unable to load root certificates: ${(error as Error).message}`);
  }
}

class StaleConnection extends Error {}

/** Sends one request, on a connection of the agent, or, without one, on its own. */
async function exchange(
  dispatch: Dispatch,
  agent: Agent | undefined,
): Promise<OutboundResponse | (UpgradedConnection & { socket: Socket })> {
  const { endpoint, method, target, headers, body, timeoutMs, signal, trust } = dispatch;
  const canceled = () => new OutboundError('canceled', 'context canceled');
  if (signal?.aborted) throw canceled();
  const options: RequestOptions = {
    ...{ host: endpoint.host, port: endpoint.port, method, path: target },
    servername: isIP(endpoint.serverName) ? '' : endpoint.serverName,
    headers: { host: endpoint.authority, ...headers },
    ...(agent
      ? { agent }
      : {
          agent: false,
          secureContext: contextFor(trust),
          rejectUnauthorized: !trust.insecure,
          checkServerIdentity: identityProblem,
        }),
  };
  const request = httpsRequest(options);
  const deadline = new OutboundError('timeout', 'context deadline exceeded');
  let answer: IncomingMessage | undefined;
  // All of the answer may be here and not yet read: Node then gives the connection back, and nobody hears of an error on it.
  const cut = (why: OutboundError) => {
    if (!answer?.complete) request.destroy(why);
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => cut(deadline), Math.max(0, timeoutMs));
  const abort = () => cut(canceled());
  signal?.addEventListener('abort', abort, { once: true });
  const settle = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  };
  try {
    return await new Promise((resolve, reject) => {
      limitConnecting(request);
      request.on('error', (error: NodeJS.ErrnoException) => {
        settle();
        const stale = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
        reject(stale ? new StaleConnection() : explained(error, endpoint));
      });
      request.on('close', settle);
      request.on('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) => {
        settle();
        socket.setTimeout(0);
        socket.on('error', () => socket.destroy());
        if (head.length) socket.unshift(head);
        const { headers: answered, rawHeaders } = response;
        resolve({ code: 101, headers: answered, rawHeaders, socket });
      });
      request.on('response', (response) => {
        answer = response;
        resolve({
          code: response.statusCode!,
          headers: response.headers,
          body: bodyOf(response, request, endpoint),
        });
      });
      if (body === undefined || body instanceof Uint8Array) request.end(body);
      else void sendStream(request, body);
    });
  } catch (error) {
    settle();
    throw error;
  }
}

function limitConnecting(request: ClientRequest): void {
  request.on('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(
      () => request.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
      connectMs,
    );
    socket.once('secureConnect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  });
}

async function* bodyOf(
  response: IncomingMessage,
  request: ClientRequest,
  endpoint: Endpoint,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    throw explained((request.errored ?? error) as Error, endpoint);
  }
}

/** An answer may come before all is sent; what fails then shows in the request's own error. */
async function sendStream(request: ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (request.destroyed) return;
      if (request.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        const go = () => {
          request.off('drain', go);
          request.off('close', go);
          resolve();
        };
        request.on('drain', go);
        request.on('close', go);
      });
    }
    request.end();
  } catch (error) {
    request.destroy(error as Error);
  }
}

/** As Go checks it: only alternative names count, never the subject's common name. */
function identityProblem(serverName: string, certificate: PeerCertificate): Error | undefined {
  if (!certificate.subjectaltname) {
    return new OutboundError(
      'tls',
      'tls: failed to verify certificate: x509: certificate is not valid for any names, ' +
        `but wanted to match ${serverName}`,
    );
  }
  if (!checkServerIdentity(serverName, certificate)) return undefined;
  const names = certificate.subjectaltname.split(', ').map((n) => n.replace(/^(DNS|IP Address):/, ''));
  return new OutboundError(
    'tls',
    `tls: failed to verify certificate: x509: certificate is valid for ${names.join(', ')}, not ${serverName}`,
  );
}

const unknownAuthority = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

const dialing: Record<string, [OutboundFailure, string]> = {
  ECONNREFUSED: ['refused', 'connect: connection refused'],
  EHOSTUNREACH: ['network', 'connect: no route to host'],
  ENETUNREACH: ['network', 'connect: network is unreachable'],
  ETIMEDOUT: ['timeout', 'i/o timeout'],
};

/** Node's failures in the words of Go, which people know and look for. */
function explained(error: NodeJS.ErrnoException, { host, port, serverName }: Endpoint): OutboundError {
  if (error instanceof OutboundError) return error;
  // Several addresses of a name were tried.
  const [first] = error instanceof AggregateError ? (error.errors as NodeJS.ErrnoException[]) : [];
  const code = error.code ?? first?.code ?? '';
  const verify = (why: string) => new OutboundError('tls', `tls: failed to verify certificate: x509: ${why}`);
  if (unknownAuthority.has(code)) return verify('certificate signed by unknown authority');
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return verify('certificate has expired or is not yet valid');
  if (code === 'CERT_SIGNATURE_FAILURE') return verify(`certificate signed by unknown authority`);
  if (code === 'INVALID_PURPOSE') return verify('certificate specifies an incompatible key usage');
  const dialed = dialing[code];
  if (dialed) {
    const at = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
    return new OutboundError(dialed[0], `dial tcp ${at}: ${dialed[1]}`);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new OutboundError('network', `dial tcp: lookup ${host}: no such host`);
  if (
    code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    /wrong version number|packet length too long/.test(error.message)
  )
    return new OutboundError('tls', 'http: server gave HTTP response to HTTPS client');
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'EPROTO')
    return new OutboundError('tls', `remote error: tls: ${serverName}: ${error.message}`);
  if (code === 'ECONNRESET' || code === 'EPIPE') return new OutboundError('network', 'EOF');
  return new OutboundError('network', error.message);
}
