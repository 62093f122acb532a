import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { MessageSocket } from '../../../client/streams/message-socket.ts';
import { maxMessageBytes, messageSocket } from '../../../client/streams/node/web-socket.ts';
import { badRequest } from '../../../machinery/status.ts';
import { upgradedEvent } from './splice.ts';

const chosen = new WeakMap<IncomingMessage, string>();
const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: maxMessageBytes,
});
// `SPDY/3.1+portforward.k8s.io` is no token as of RFC 6455, and `ws` refuses it: we choose before, and answer ourselves.
server.on('headers', (headers, request) => {
  const protocol = chosen.get(request);
  if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
});

const accepted = new WeakSet<Socket>();
/** Whether the socket speaks WebSocket already: then no HTTP answer may be written to it. */
export const isWebSocketNow = (socket: Socket): boolean => accepted.has(socket);

/** Subprotocols that the client offers, in its order. */
export const offeredBy = (request: IncomingMessage): string[] =>
  (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);

/** The first that the client offers and we speak; '' when it offers none and we speak that. Throws 400. */
export function chooseProtocol(request: IncomingMessage, spoken: readonly string[]): string {
  const offered = offeredBy(request);
  const chosen = (offered.length ? offered : ['']).find((name) => spoken.includes(name));
  if (chosen !== undefined) return chosen;
  throw badRequest(
    `requested protocol(s) are not supported: [${offered.join(' ')}]; supports [${spoken.join(' ')}]`,
  );
}

/** Completes the handshake. Rejects when the request is no proper one; the client has its answer then. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  protocol: string,
): Promise<MessageSocket> {
  delete request.headers['sec-websocket-protocol'];
  if (protocol) chosen.set(request, protocol);
  return new Promise((resolve, reject) => {
    const refused = () => reject(badRequest('the WebSocket handshake failed'));
    socket.once('close', refused);
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('close', refused);
      accepted.add(socket);
      socket.emit(upgradedEvent);
      resolve(messageSocket(ws, protocol));
    });
  });
}
