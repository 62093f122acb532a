import type { User } from '../context.ts';

/** One HTTP request and the way to answer it: what the handler sees of a socket. */
export interface Exchange {
  method: string;
  /** Decoded by segment where it is taken apart; here as it came, without the query. */
  path: string;
  query: URLSearchParams;
  /** The query as it came, with its `?`; '' when there is none. */
  search: string;
  header(name: string): string | undefined;
  /** All of them as they came, names in lower case. */
  headers(): Record<string, string | string[] | undefined>;
  /** The whole body. Throws 413 when it is longer. */
  body(limitBytes: number): Promise<Uint8Array>;
  /** The body as it comes, for those who pass it on: instead of `body`. */
  bodyStream(): AsyncIterable<Uint8Array>;
  /** Who the verified client certificate names, if one was given. */
  certificate: User | undefined;
  /** Until when it holds, in milliseconds since 1970. */
  certificateEndsMs?: number | undefined;
  /** The common name on a verified certificate of a front proxy: its headers may say who asks. */
  proxyName?: string | undefined;
  /** A certificate was given that we do not trust. */
  badCertificate?: boolean;
  remote: string;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
  /** Headers of whatever answer there will be: what is known before it is. */
  extra: Record<string, string>;
  /** The code of the answer once it was given; 0 before. */
  code: number;
  /** Bytes of the answer's body, where it was given as a whole. */
  sent: number;
  /** A body in parts is sent as one. */
  respond(code: number, headers: Record<string, string>, body: Body): void;
  /** `paced`: small chunks that come close together may go with one write. */
  stream(
    code: number,
    headers: Record<string, string | string[]>,
    options?: { paced?: boolean },
  ): ResponseStream;
}

export type Body = Uint8Array | string | readonly Uint8Array[];

export interface ResponseStream {
  write(chunk: Uint8Array | string): void;
  /** Bytes that the client has not taken yet. */
  readonly pendingBytes: number;
  /** Resolves when what is pending is small again, or the client is gone. */
  drained(): Promise<void>;
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
}
