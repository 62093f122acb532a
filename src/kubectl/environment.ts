import type { Exchange, HttpClient } from '../client/http.ts';
import type { Access } from '../client/kubeconfig.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { StreamOpener } from './streams.ts';

export interface Output {
  write(data: string | Uint8Array): void;
  /** Resolves when what was written has been taken. */
  drained(): Promise<void>;
  readonly isTerminal: boolean;
  readonly columns: number;
}

export interface Input {
  readonly isTerminal: boolean;
  /** All of it. */
  text(): Promise<string>;
  /** Pieces as they come, until the end or until the signal aborts. */
  stream(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Keys one by one and without echo while this lasts; undo with what it returns. */
  raw?(): () => void;
  /** The size of the terminal now, and whenever it changes. */
  onResize?(handler: (size: { columns: number; rows: number }) => void): () => void;
}

export interface FileInfo {
  type: 'file' | 'directory' | 'link' | 'other';
  sizeBytes: number;
  mode: number;
  modifiedMs: number;
}

/** Failures are Errors with the system's `code` (`ENOENT`). */
export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Replaces the file as a whole; directories on the way are made. */
  write(path: string, data: string | Uint8Array, mode?: number): Promise<void>;
  stat(path: string): Promise<FileInfo | undefined>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<string[]>;
  mkdir(path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  link(target: string, path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** A new directory of its own. */
  temporaryDirectory(prefix: string): Promise<string>;
}

export interface ConnectOptions {
  requestTimeoutMs?: number;
  /** Each exchange, for `--v`. */
  onExchange?: (exchange: Exchange) => void;
}

/** One accepted connection of `port-forward` or `proxy`. */
export interface Socket {
  stream(): AsyncIterable<Uint8Array>;
  write(data: Uint8Array): Promise<void>;
  end(): void;
  destroy(): void;
}

export interface Listener {
  port: number;
  close(): Promise<void>;
}

/** All that kubectl needs of the machine that it runs on. */
export interface Environment {
  stdin: Input;
  stdout: Output;
  stderr: Output;
  env: Record<string, string | undefined>;
  home: string;
  workingDirectory: string;
  files: Files;
  clock: Clock;
  random: Random;
  /** Aborts when the user interrupts. */
  signal: AbortSignal;
  /** HTTP to the cluster that a kubeconfig chose; undefined access: the pod's own service account, if there is one. */
  connect(access: Access | undefined, options: ConnectOptions): Promise<HttpClient | undefined>;
  /** exec, attach and port-forward over the same credentials. */
  streams(access: Access | undefined): Promise<StreamOpener>;
  /** A web page: what `-f URL` reads. */
  fetch(url: string): Promise<{ status: number; statusText: string; text: string }>;
  /** Runs a program on the user's terminal; its exit code. */
  run(command: string, args: string[], options?: { env?: Record<string, string> }): Promise<number>;
  /** Runs a program and gives what it wrote. */
  capture(command: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  listen(
    options: { host: string; port: number } | { path: string },
    accept: (socket: Socket) => Promise<void>,
  ): Promise<Listener>;
  /** Serves HTTP on an address: what `proxy` is. */
  serve(options: { host: string; port: number } | { path: string }, handle: ProxyHandler): Promise<Listener>;
  platform: string;
}

export type ProxyHandler = (request: {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array;
  remote: string;
  signal: AbortSignal;
}) => Promise<{
  status: number;
  headers: Record<string, string>;
  body: AsyncIterable<Uint8Array> | Uint8Array | string;
}>;
