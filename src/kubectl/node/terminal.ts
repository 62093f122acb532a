import type { ReadStream, WriteStream } from 'node:tty';
import type { Input, Output } from '../environment.ts';

type Stream = (WriteStream & { fd: 1 | 2 }) | NodeJS.WriteStream;
const outputs = new WeakMap<Stream, Output>();

/** The output of a stream, one for each stream: whoever asks again does not listen again. */
export function outputOf(stream: Stream): Output {
  let output = outputs.get(stream);
  if (!output) outputs.set(stream, (output = newOutput(stream)));
  return output;
}

/** A reader that went away (`| head`) ends the program quietly, as a shell expects. */
function newOutput(stream: Stream): Output {
  let pending: Promise<void> = Promise.resolve();
  let broken = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    broken = true;
    if (error.code === 'EPIPE') process.exit(0);
  });
  return {
    write(data) {
      if (broken) return;
      const taken = new Promise<void>((resolve) => void stream.write(data, () => resolve()));
      pending = pending.then(() => taken);
    },
    drained: () => pending,
    get isTerminal() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

export function inputOf(stream: ReadStream & { fd: 0 }): Input {
  return {
    get isTerminal() {
      return stream.isTTY === true;
    },
    // Not read at once: a pipe that does not wait says EAGAIN while its writer has written nothing yet.
    async text() {
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      return Buffer.concat(pieces).toString('utf8');
    },
    async *stream(signal) {
      const stop = () => stream.destroy();
      signal?.addEventListener('abort', stop, { once: true });
      try {
        for await (const piece of stream) yield piece as Buffer;
      } catch (error) {
        if (!signal?.aborted) throw error;
      } finally {
        signal?.removeEventListener('abort', stop);
      }
    },
    raw() {
      stream.setRawMode(true);
      return () => {
        stream.setRawMode(false);
      };
    },
    onResize(handler) {
      const report = () =>
        handler({ columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 });
      process.stdout.on('resize', report);
      report();
      return () => void process.stdout.off('resize', report);
    },
  };
}
