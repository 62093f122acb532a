// Streams of exec and attach: standard input, and a terminal where there is one.
import type { TerminalSize } from '../client/streams/channels.ts';
import type { RemoteStreams } from '../client/streams/remote-command.ts';
import type { Context } from './command.ts';

export const streamFlagTexts = {
  stdin: 'Pass stdin to the container.',
  tty: 'Stdin is a TTY.',
  quiet: 'Only print output from the remote session.',
};

/** Whether the user’s terminal becomes the container's; says so where it was asked for and cannot. */
export function wantsTerminal(
  { environment, err }: Pick<Context, 'environment' | 'err'>,
  { stdin, tty, quiet }: { stdin: boolean; tty: boolean; quiet: boolean },
): boolean {
  if (!stdin || !tty) return false;
  if (environment.stdin.isTerminal) return true;
  if (!quiet) err.line('Unable to use a TTY - input is not a terminal or the right kind of file');
  return false;
}

/** Runs `use` with the user's streams; the terminal is as before when it is over. */
export async function withStreams<T>(
  { environment }: Pick<Context, 'environment'>,
  { stdin, terminal }: { stdin: boolean; terminal: boolean },
  use: (streams: RemoteStreams) => Promise<T>,
): Promise<T> {
  const { stdin: input, stdout, stderr } = environment;
  const over = new AbortController();
  const to = (output: typeof stdout) => async (bytes: Uint8Array) => {
    output.write(bytes);
    await output.drained();
  };
  const streams: RemoteStreams = { stdout: to(stdout), tty: terminal };
  if (stdin) streams.stdin = input.stream(over.signal);
  if (!terminal) streams.stderr = to(stderr);
  const restore = terminal ? input.raw?.() : undefined;
  const sizes = terminal ? sizesOf(input.onResize?.bind(input)) : undefined;
  if (sizes) streams.resize = sizes.queue;
  try {
    return await use(streams);
  } finally {
    over.abort();
    sizes?.stop();
    restore?.();
  }
}

type OnResize = (handler: (size: { columns: number; rows: number }) => void) => () => void;

/** Sizes as they come; one that a later one has overtaken is left out. */
function sizesOf(onResize: OnResize | undefined): { queue: AsyncIterable<TerminalSize>; stop(): void } {
  let latest: TerminalSize | undefined;
  let stopped = false;
  let wake = () => {};
  const undo = onResize?.(({ columns, rows }) => {
    latest = { width: columns, height: rows };
    wake();
  });
  async function* queue() {
    while (!stopped) {
      if (latest) {
        const size = latest;
        latest = undefined;
        yield size;
      } else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  return {
    queue: queue(),
    stop() {
      stopped = true;
      undo?.();
      wake();
    },
  };
}
