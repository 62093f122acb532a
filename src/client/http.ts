import { StatusError } from '../machinery/status.ts';

/** One HTTP request to an API server. `path` begins with `/` and carries its query. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** A long answer (watch, log): it gets a connection of its own and no time limit. */
  stream?: boolean;
  signal?: AbortSignal;
}

export interface HttpResponse {
  status: number;
  /** Names in lower case; values that came several times are joined by `, `. */
  headers: Record<string, string>;
  text(): Promise<string>;
  bytes(): Promise<Uint8Array>;
  /** Pieces as they come; ends quietly when the request's signal aborts. */
  stream(): AsyncIterable<Uint8Array>;
}

/** A request that was answered. */
export interface Exchange {
  method: string;
  url: string;
  status: number;
  milliseconds: number;
  headers: Record<string, string>;
  answered: Record<string, string>;
}

/**
 * HTTP to one API server, with its credentials. An answer of any status is a response; a ConnectionError means that there
 * was none.
 */
export interface HttpClient {
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** The server could not be reached, or the connection broke. A StatusError (503) for those who only retry. */
export class ConnectionError extends StatusError {
  readonly server: string;
  /** `ECONNREFUSED` and its kind, where the system gave one. */
  readonly errno: string | undefined;
  constructor(server: string, message: string, errno: string | undefined, cause?: unknown) {
    super(503, 'ServiceUnavailable', message);
    this.name = 'ConnectionError';
    this.server = server;
    this.errno = errno;
    this.cause = cause;
  }
}
