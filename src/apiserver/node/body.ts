// Bodies of requests: how much of them is read, for how long, and what becomes of the rest.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { badRequest, StatusError, tooLarge } from '../../machinery/status.ts';

type Request = Http2ServerRequest | IncomingMessage;
type Response = Http2ServerResponse | ServerResponse;

/** A body must be there by then: whoever sends a byte now and then holds a seat for no longer. */
const bodyMs = 60_000;
/** How long a connection stays open for a client that still sends what nobody reads: else it might not see its answer. */
const lingerMs = 500;

/** The whole body. Rejects with 413 when it is larger than `limit` bytes, 504 when it takes too long, 400 when the client goes. */
export function readAll(request: Request, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const refuse = () => reject(tooLarge(`Request entity too large: limit is ${limit}`));
    if (Number(request.headers['content-length'] ?? 0) > limit) return refuse();
    if (request.destroyed && !request.readableEnded) return reject(badRequest('unexpected EOF'));
    const parts: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () => reject(new StatusError(504, 'Timeout', 'request did not complete within the allotted timeout')),
      bodyMs,
    );
    const settle = () => {
      clearTimeout(timer);
      request.off('data', take).off('end', done).off('close', lost).off('error', lost);
    };
    const take = (part: Buffer) => {
      size += part.length;
      if (size <= limit) return void parts.push(part);
      settle();
      request.pause();
      refuse();
    };
    const done = () => {
      settle();
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    };
    const lost = () => {
      settle();
      reject(badRequest('unexpected EOF'));
    };
    request.on('data', take).on('end', done).on('close', lost).on('error', lost);
  });
}

/** A body that is no longer is taken in and thrown away: its connection serves the next request. */
const smallBytes = 256 * 1024;

/** Whether there is a body, it has not come to its end, and it is not worth waiting for. */
export function isUnread(request: Request): boolean {
  const announced = Number(request.headers['content-length'] ?? Number.NaN);
  if (announced <= smallBytes) {
    if (!request.readableEnded) request.resume();
    return false;
  }
  if ('stream' in request)
    return !(request.stream as { endAfterHeaders?: boolean }).endAfterHeaders && !request.readableEnded;
  const { 'content-length': length, 'transfer-encoding': chunked } = request.headers;
  return !request.complete && (chunked !== undefined || Number(length) > 0);
}

const left = new WeakSet<object>();
/** Whether this connection has had its last answer. */
export const isLeft = (socket: object): boolean => left.has(socket);

/** After an answer to a request that was not read whole: the rest is not waited for. */
export function leaveUnread(request: Request, response: Response): void {
  if ('stream' in request) {
    const { stream } = response as Http2ServerResponse;
    // Closed before its answer is sent, a stream takes the answer along.
    if (stream?.writableFinished) stream.close(0);
    else stream?.once('finish', () => stream.close(0));
    return;
  }
  const { socket } = request;
  left.add(socket);
  const ending = socket as Socket & { destroySoon(): void };
  ending.destroySoon = () => {
    socket.end();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
}
