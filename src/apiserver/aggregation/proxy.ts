// Requests for groups that another server serves: passed on with the name of who asks. Source: "Kubernetes API Aggregation
// Layer", "Kubernetes Apiserver Proxies the Request".
import { userHeaders } from '../authn/request-header.ts';
import type { Call } from '../http/call.ts';
import type { Exchange, ResponseStream } from '../http/exchange.ts';
import {
  type Callee,
  type Outbound,
  OutboundError,
  type OutboundHeaders,
  type OutboundRequest,
  type OutboundResponse,
} from '../outbound/outbound.ts';
import { endToEnd, withoutIdentity } from '../streams/proxy-rewrite.ts';

const text = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** What upstream answers when a server cannot be asked. */
export const unavailable = (exchange: Exchange, why = 'service unavailable'): void =>
  exchange.respond(503, text, `${why}\n`);

/** What the other server gets of a request: who asks is what we have found out, and nothing that the client says of it. */
export function proxiedRequest(call: Call): OutboundRequest {
  const { exchange, attributes } = call;
  const given = withoutIdentity(endToEnd(exchange.headers()));
  delete given.host;
  const before = given['x-forwarded-for'];
  const hasBody = !['GET', 'HEAD'].includes(exchange.method);
  return {
    method: exchange.method,
    path: exchange.path,
    ...(exchange.search ? { query: exchange.search.slice(1) } : {}),
    headers: {
      ...given,
      ...userHeaders(attributes!.user),
      'audit-id': call.auditId,
      'x-forwarded-for': before ? `${before}, ${exchange.remote}` : exchange.remote,
    },
    ...(hasBody ? { body: exchange.bodyStream() } : {}),
  };
}

/** Passes a request on, and its answer back, as both come. */
export async function proxy(
  call: Call,
  outbound: Outbound,
  callee: Callee,
  closing: AbortSignal | undefined,
): Promise<void> {
  const { exchange } = call;
  const signal = closing ? AbortSignal.any([exchange.signal, closing]) : exchange.signal;
  let response: OutboundResponse;
  try {
    response = await outbound.send(callee, { ...proxiedRequest(call), signal });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    const nowhere = error.failure === 'service' || error.failure === 'no-endpoints';
    return unavailable(exchange, nowhere ? undefined : `error trying to reach service: ${error.message}`);
  }
  await passBack(response, exchange);
}

async function passBack({ code, headers, body }: OutboundResponse, exchange: Exchange): Promise<void> {
  if (code >= 300 && code <= 399 && headers.location) {
    // Who follows it would show his credentials to whom the other server likes (CVE-2022-3172).
    await drop(body);
    return exchange.respond(
      502,
      text,
      'the backend attempted to redirect this request, which is not permitted\n',
    );
  }
  await copy(body, exchange.stream(code, kept(headers)), exchange.signal);
}

/** Ours are those of the request's own way through this server. */
function kept(headers: OutboundHeaders): Record<string, string | string[]> {
  const passed = endToEnd(headers);
  delete passed['audit-id'];
  return passed;
}

async function drop(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body) return;
}

/** Cuts the connection when the other side breaks off: the client must not take a part for the whole. */
async function copy(
  body: AsyncIterable<Uint8Array>,
  stream: ResponseStream,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of body) {
      stream.write(chunk);
      await stream.drained();
      if (signal.aborted) return;
    }
    stream.end();
  } catch {
    stream.destroy();
  }
}
