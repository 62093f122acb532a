// kubectl in a test: an API server in this process, files in memory, and what it prints as text.
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { inProcessHttp } from '../testing/in-process-http.ts';
import type { Environment, FileInfo, Files, Output } from './environment.ts';
import { runKubectl } from './main.ts';
import { normalize } from './paths.ts';

/** The time in tests; it stands still unless a test moves it. */
export const startedAt = Date.parse('2026-01-02T03:04:05Z');

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  /** Both as they came. */
  all: string;
}

export interface TestKubectl extends AsyncDisposable {
  plane: ControlPlane;
  files: Map<string, string>;
  env: Record<string, string | undefined>;
  /** Moves the clock. */
  advance(ms: number): void;
  /** Runs a command line; `stdin` is its input. */
  run(line: string, options?: { stdin?: string; signal?: AbortSignal; user?: string }): Promise<Outcome>;
}

const missing = (path: string): Error =>
  Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });

/** Files that a map holds; a path with others below it is a directory. */
export function memoryFiles(files: Map<string, string>): Files {
  const at = (path: string): string => normalize(path);
  const below = (path: string): string[] =>
    [...files.keys()].filter((name) => name.startsWith(`${at(path)}/`));
  const stat = async (path: string): Promise<FileInfo | undefined> => {
    const text = files.get(at(path));
    const type =
      text !== undefined ? 'file' : below(path).length || at(path) === '.' ? 'directory' : undefined;
    return type && { type, sizeBytes: text?.length ?? 0, mode: 0o644, modifiedMs: startedAt };
  };
  let temporary = 0;
  return {
    async read(path) {
      const text = files.get(at(path));
      if (text === undefined) throw missing(path);
      return new TextEncoder().encode(text);
    },
    async write(path, data) {
      files.set(at(path), typeof data === 'string' ? data : new TextDecoder().decode(data));
    },
    stat,
    list: async (path) =>
      [...new Set(below(path).map((name) => name.slice(at(path).length + 1).split('/')[0]!))].sort(),
    mkdir: async () => {},
    readLink: async (path) => {
      throw missing(path);
    },
    link: async () => {},
    async remove(path) {
      for (const name of [at(path), ...below(path)]) files.delete(name);
    },
    temporaryDirectory: async (prefix) => `/tmp/${prefix}${temporary++}`,
  };
}

/** Words of a command line, with quotes as a shell has them. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+)/g))
    words.push(
      match[0].replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g, (_, single, double, escaped) =>
        single !== undefined ? single : double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : escaped,
      ),
    );
  return words;
}

export async function startKubectl(): Promise<TestKubectl> {
  let now = startedAt;
  const clock: Environment['clock'] = {
    now: () => now,
    after(delayMs, fn) {
      const timer = setTimeout(fn, Math.min(delayMs, 2 ** 31 - 1));
      return { cancel: () => clearTimeout(timer) };
    },
  };
  const plane = await startControlPlane({ clock });
  const files = new Map<string, string>();
  const env: Record<string, string | undefined> = {};
  let seed = 1;
  const refuse = async (): Promise<never> => {
    throw new Error('a test has no such thing');
  };
  return {
    plane,
    files,
    env,
    advance(ms) {
      now += ms;
    },
    async run(line, { stdin = '', signal = new AbortController().signal, user = 'admin' } = {}) {
      const outcome: Outcome = { code: 0, stdout: '', stderr: '', all: '' };
      const decoder = new TextDecoder();
      const to = (which: 'stdout' | 'stderr'): Output => ({
        write(data) {
          const text = typeof data === 'string' ? data : decoder.decode(data);
          outcome[which] += text;
          outcome.all += text;
        },
        drained: async () => {},
        isTerminal: false,
        columns: 80,
      });
      const environment: Environment = {
        stdin: {
          isTerminal: false,
          text: async () => stdin,
          async *stream() {
            yield new TextEncoder().encode(stdin);
          },
        },
        stdout: to('stdout'),
        stderr: to('stderr'),
        env,
        home: '/home/user',
        workingDirectory: '/home/user',
        files: memoryFiles(files),
        clock,
        random: () => {
          seed = (seed * 16807) % 2147483647;
          return seed / 2147483647;
        },
        signal,
        connect: async () =>
          inProcessHttp(plane.server, { name: user, groups: user === 'admin' ? ['system:masters'] : [] }),
        streams: refuse,
        fetch: refuse,
        // The editor of a test is a sed script: `s/old/new/`.
        async run(_command, args) {
          const path = args.at(-1)!;
          const [, pattern, replacement] = /^s\/(.*)\/(.*)\/$/.exec(env.EDIT ?? '') ?? [];
          if (pattern) files.set(path, files.get(path)!.replace(pattern, replacement!));
          return 0;
        },
        capture: refuse,
        listen: refuse,
        serve: refuse,
        platform: 'linux/amd64',
      };
      outcome.code = await runKubectl(shellWords(line), environment);
      return outcome;
    },
    [Symbol.asyncDispose]: () => plane.stop(),
  };
}
