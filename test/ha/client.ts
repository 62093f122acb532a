// A client that knows several API servers, and goes to the next when one is not there.
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { ServerProcess } from './api-server.ts';

export interface Answer {
  code: number;
  body: any;
}

/** One request to one server. */
export interface Attempt {
  what: string;
  from: number;
  to: number;
  /** 0: the connection broke. */
  code: number;
}

const attemptMs = 15_000;

export class ApiClient {
  readonly #servers: ServerProcess[];
  readonly #agents = new Map<ServerProcess, Agent>();
  readonly attempts: Attempt[];
  #at: number;

  constructor(servers: ServerProcess[], first: number, attempts: Attempt[]) {
    this.#servers = servers;
    this.#at = first % servers.length;
    this.attempts = attempts;
  }

  get server(): ServerProcess {
    return this.#servers[this.#at]!;
  }

  next(): void {
    this.#at = (this.#at + 1) % this.#servers.length;
  }

  #agent(server: ServerProcess): Agent {
    let agent = this.#agents.get(server);
    if (!agent) {
      const { ca, cert, key } = server.access;
      this.#agents.set(server, (agent = new Agent({ ca, cert, key, keepAlive: true })));
    }
    return agent;
  }

  /** Opens a request to the server of the moment. */
  open(method: string, path: string, body?: unknown, type = 'application/json'): Promise<IncomingMessage> {
    const { server } = this;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...{ host: '127.0.0.1', port: server.access.port, method, path, agent: this.#agent(server) },
          headers: payload ? { 'content-type': type, 'content-length': Buffer.byteLength(payload) } : {},
          timeout: attemptMs,
        },
        resolve,
      );
      sent.on('timeout', () => sent.destroy(new Error('timeout')));
      sent.on('error', reject);
      sent.end(payload);
    });
  }

  /** One attempt; on a broken connection the next one goes elsewhere. Rejects when the connection breaks. */
  async ask(method: string, path: string, body?: unknown, type?: string): Promise<Answer> {
    const attempt: Attempt = { what: `${method} ${path}`, from: performance.now(), to: 0, code: 0 };
    try {
      const response = await this.open(method, path, body, type);
      let text = '';
      for await (const part of response.setEncoding('utf8')) text += part;
      attempt.code = response.statusCode!;
      return { code: attempt.code, body: JSON.parse(text) };
    } catch (error) {
      this.next();
      throw error;
    } finally {
      attempt.to = performance.now();
      this.attempts.push(attempt);
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}
