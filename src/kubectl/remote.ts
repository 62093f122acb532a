// Running commands in containers, as exec, attach and cp do.
import { isStatusError } from '../machinery/status.ts';
import type { Context } from './command.ts';
import { KubectlError } from './errors.ts';
import type { RemoteOptions, StreamOpener } from './streams.ts';

/** What goes wrong inside of the node is no answer of the server: it is told plainly. */
const plainly = (error: unknown): unknown =>
  isStatusError(error) && error.reason === 'InternalError' ? new KubectlError(error.message) : error;

async function told<T>(running: Promise<T>): Promise<T> {
  try {
    return await running;
  } catch (error) {
    throw plainly(error);
  }
}

/** Connections to the containers of the chosen cluster. */
export async function openStreams(context: Context): Promise<StreamOpener> {
  const kube = await context.kube();
  const opener = await context.environment.streams(kube.access);
  const signal = (options: { signal?: AbortSignal }) => options.signal ?? context.signal;
  return {
    exec: (options) => told(opener.exec({ ...options, signal: signal(options) })),
    attach: (options: RemoteOptions) => told(opener.attach({ ...options, signal: signal(options) })),
    portForward: (options) => told(opener.portForward({ ...options, signal: signal(options) })),
  };
}

/** A command in a container did not end well. */
export class CommandFailed extends KubectlError {
  constructor(code: number) {
    super(`command terminated with exit code ${code}`, code);
  }
}

/** Bytes from one who writes to one who reads; the writer waits until the reader has taken them. */
export class BytePipe implements AsyncIterable<Uint8Array> {
  #pieces: { bytes: Uint8Array; taken: () => void }[] = [];
  #ended = false;
  #failure: unknown;
  #wake = () => {};

  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#pieces.push({ bytes, taken: resolve });
      this.#wake();
    });
  }

  /** With an error, the reader gets it after what was written before. */
  end(error?: unknown): void {
    this.#ended = true;
    this.#failure = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece) {
          yield piece.bytes;
          piece.taken();
        } else if (this.#ended) {
          if (this.#failure) throw this.#failure;
          return;
        } else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      // A reader that stops must not hold the writer up.
      this.#ended = true;
      for (const { taken } of this.#pieces.splice(0)) taken();
    }
  }
}
