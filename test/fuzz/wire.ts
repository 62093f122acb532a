// Ways to send things to the server, also things that no client library would send.
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Identity, Listening } from './server.ts';

export interface Ask {
  method?: string;
  path: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
  http2?: boolean;
  as?: Identity;
  /** Ends the request when nothing is answered by then. */
  limitMs?: number;
  /** Reads no more than so much of the answer. */
  maxBytes?: number;
}

export interface Answer {
  code: number;
  type: string;
  text: string;
  tookMs: number;
  /** Why there is no answer. */
  failure?: string;
}

export class Wire {
  readonly #listening: Listening;
  readonly #agent: Agent;
  #session: ClientHttp2Session | undefined;
  readonly #sockets = new Set<TLSSocket>();

  constructor(listening: Listening) {
    this.#listening = listening;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 20, ...this.tls(listening.attacker) });
  }

  tls(as: Identity = this.#listening.attacker) {
    const { port, ca } = this.#listening;
    return { host: '127.0.0.1', port, ca, ...as, servername: '' };
  }

  /** Never rejects: what went wrong is in the answer. */
  ask(ask: Ask): Promise<Answer> {
    const began = performance.now();
    return new Promise((resolve) => {
      const done = (answer: Partial<Answer>) => {
        clearTimeout(timer);
        resolve({ code: 0, type: '', text: '', ...answer, tookMs: performance.now() - began });
      };
      let stop = () => {};
      const timer = setTimeout(() => {
        done({ failure: 'no answer in time' });
        stop();
      }, ask.limitMs ?? 20_000);
      stop = ask.http2 ? this.#askHttp2(ask, done) : this.#askHttp1(ask, done);
    });
  }

  #askHttp1(
    { method = 'GET', path, headers, body, as, maxBytes = 64 << 20 }: Ask,
    done: (answer: Partial<Answer>) => void,
  ): () => void {
    try {
      const request = httpsRequest(
        {
          ...this.tls(as),
          agent: as ? false : this.#agent,
          method,
          path,
          headers: { ...headers, ...length(body) },
        },
        (response) => {
          const parts: Buffer[] = [];
          let size = 0;
          const finish = () =>
            done({
              code: response.statusCode!,
              type: response.headers['content-type'] ?? '',
              text: Buffer.concat(parts).toString(),
            });
          response.on('data', (part: Buffer) => {
            parts.push(part);
            size += part.length;
            if (size > maxBytes) {
              finish();
              request.destroy();
            }
          });
          response.on('end', finish);
          response.on('error', (error) => done({ failure: error.message }));
        },
      );
      request.on('error', (error) => done({ failure: error.message }));
      request.end(body);
      return () => void request.destroy();
    } catch (error) {
      done({ failure: `unsendable: ${(error as Error).message}` });
      return () => {};
    }
  }

  session(as?: Identity): ClientHttp2Session {
    const session = connectHttp2('https://127.0.0.1', this.tls(as) as object);
    session.on('error', () => {});
    return session;
  }

  #askHttp2(
    { method = 'GET', path, headers, body, as, maxBytes = 64 << 20 }: Ask,
    done: (answer: Partial<Answer>) => void,
  ): () => void {
    try {
      if (as || !this.#session || this.#session.destroyed || this.#session.closed) {
        const session = this.session(as);
        if (!as) this.#session = session;
        else setTimeout(() => session.destroy(), 5000).unref();
        return this.#send(session, { method, path, headers, body, maxBytes }, done);
      }
      return this.#send(this.#session, { method, path, headers, body, maxBytes }, done);
    } catch (error) {
      done({ failure: `unsendable: ${(error as Error).message}` });
      return () => {};
    }
  }

  #send(
    session: ClientHttp2Session,
    { method, path, headers, body, maxBytes }: Ask,
    done: (answer: Partial<Answer>) => void,
  ): () => void {
    const stream = session.request(
      { ':method': method!, ':path': path, ...headers },
      { endStream: body === undefined },
    );
    const parts: Buffer[] = [];
    let size = 0;
    let got: Record<string, any> = {};
    const finish = () =>
      done({
        code: Number(got[':status'] ?? 0),
        type: String(got['content-type'] ?? ''),
        text: Buffer.concat(parts).toString(),
      });
    stream.on('response', (all) => (got = all));
    stream.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > maxBytes!) {
        finish();
        stream.close();
      }
    });
    stream.on('end', finish);
    stream.on('error', (error) => done({ failure: error.message }));
    stream.on('close', () => done({ failure: 'closed' }));
    if (body !== undefined) stream.end(body);
    return () => stream.close();
  }

  /** A connection of its own, for bytes of any kind. HTTP/1.1, unless `h2`. */
  open(alpn: 'http/1.1' | 'h2' = 'http/1.1', as?: Identity): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({ ...this.tls(as), ALPNProtocols: [alpn] }, () => resolve(socket));
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', (error) => {
        reject(error);
        socket.destroy();
      });
    });
  }

  /** Sends bytes and gives what comes back, until the server closes or `limitMs` are over. */
  async raw(
    bytes: string | Uint8Array,
    { alpn = 'http/1.1' as 'http/1.1' | 'h2', limitMs = 500, as = undefined as Identity | undefined } = {},
  ): Promise<{ bytes: Buffer; closed: boolean }> {
    let socket: TLSSocket;
    try {
      socket = await this.open(alpn, as);
    } catch {
      return { bytes: Buffer.alloc(0), closed: true };
    }
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.write(bytes);
    const closed = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), limitMs);
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    socket.destroy();
    return { bytes: Buffer.concat(parts), closed };
  }

  close(): void {
    this.#agent.destroy();
    this.#session?.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const length = (body: string | Uint8Array | undefined): Record<string, string> =>
  body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
