// Connections to ports of a pod: SPDY/3.1 in the messages of one WebSocket. Source: KEP-4006.
import { Duplex } from 'node:stream';
import { SpdySession } from '../../../machinery/spdy/session.ts';
import { StatusError } from '../../../machinery/status.ts';
import { openWebSocket, type StreamServer } from './web-socket.ts';

export interface PortForwardOptions {
  request: StreamServer;
  namespace: string;
  pod: string;
  signal?: AbortSignal;
}

export interface PortForward extends AsyncDisposable {
  /**
   * A connection to a port of the pod. It is destroyed with an error that says why when there is nobody there, or when the
   * connection to the cluster breaks.
   */
  connect(port: number): Duplex;
  /** Settles when the connection to the cluster is gone, for whatever reason. */
  readonly closed: Promise<void>;
}

const protocol = 'SPDY/3.1+portforward.k8s.io';

/** Rejects with a StatusError; see openWebSocket. */
export async function portForward({
  request,
  namespace,
  pod,
  signal,
}: PortForwardOptions): Promise<PortForward> {
  const [ns, name] = [encodeURIComponent(namespace), encodeURIComponent(pod)];
  const path = `/api/v1/namespaces/${ns}/pods/${name}/portforward`;
  const socket = await openWebSocket(request, path, [protocol], signal);
  const session = new SpdySession({ role: 'client', send: (bytes) => socket.send(bytes) });
  const abort = () => socket.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  const receive = async () => {
    try {
      for await (const message of socket.messages()) await session.receive(message);
    } catch {
      socket.terminate();
    }
    session.end();
    signal?.removeEventListener('abort', abort);
  };
  const closed = receive();
  let requests = 0;
  return {
    closed,
    connect: (port) => connection(session, port, String(requests++)),
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

/** Two streams make a connection: one for bytes, and one over which the other side says what went wrong. */
function connection(session: SpdySession, port: number, requestID: string): Duplex {
  let complaint = '';
  let over = false;
  let taken: (() => void) | undefined;
  const decoder = new TextDecoder();
  const fail = () => {
    if (duplex.destroyed) return;
    const error = new StatusError(500, 'InternalError', complaint || 'connection lost');
    // What has been read to its end has lost nothing.
    duplex.destroy(over && !complaint ? undefined : error);
  };
  const headers = { port: String(port), requestID };
  const error = session.open(
    { ...headers, streamType: 'error' },
    {
      data: (bytes) => void (complaint += decoder.decode(bytes, { stream: true })),
      end: (how) => {
        if (complaint || how === 'gone') fail();
      },
    },
  );
  const data = session.open(
    { ...headers, streamType: 'data' },
    {
      data(bytes) {
        if (duplex.destroyed || duplex.push(bytes)) return;
        return new Promise((resolve) => {
          taken = resolve;
        });
      },
      end(how) {
        if (how === 'gone') return fail();
        over = true;
        duplex.push(null);
      },
    },
  );
  const duplex = new Duplex({
    read() {
      taken?.();
      taken = undefined;
    },
    write(bytes, _encoding, done) {
      data.write(bytes).then(() => done(), done);
    },
    final(done) {
      data.end().then(() => done(), done);
    },
    destroy(failure, done) {
      taken?.();
      void Promise.all([data.reset(), error.reset()]).then(() => done(failure), done);
    },
  });
  // We say nothing over the error stream.
  void error.end();
  return duplex;
}
