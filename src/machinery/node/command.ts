import { spawn } from 'node:child_process';

export interface CommandOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  /** Aborting kills the command with SIGKILL. */
  readonly signal?: AbortSignal;
  /** Exit codes that are answers rather than failures; 0 always is. */
  readonly accept?: readonly number[];
  /** Called with each piece of output as it comes, both streams. */
  readonly onOutput?: (text: string) => void;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that could not be started (`code` undefined) or failed. The message has its last words. */
export class CommandError extends Error {
  readonly code: number | undefined;
  readonly stderr: string;

  constructor(message: string, code: number | undefined, stderr: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
    this.stderr = stderr;
  }
}

/** Runs a program (no shell) to its end. Rejects with a CommandError unless it exits with 0 or an accepted code. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { input, env, cwd, signal, accept = [], onOutput } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      signal,
      killSignal: 'SIGKILL',
      env: env ? { ...process.env, ...env } : process.env,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(text);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onOutput?.(text);
    });
    child.on('error', (cause: NodeJS.ErrnoException) => {
      if (signal?.aborted) return reject(signal.reason);
      const why = cause.code === 'ENOENT' ? 'not found' : cause.message;
      reject(new CommandError(`${command}: ${why}`, undefined, stderr));
    });
    child.on('close', (code, killedBy) => {
      if (code === 0 || (code !== null && accept.includes(code))) return resolve({ code, stdout, stderr });
      const words = (stderr.trim() || stdout.trim()).slice(-2000) || 'no output';
      const how = code === null ? `was killed by ${killedBy}` : `failed with exit code ${code}`;
      reject(new CommandError(`${command} ${how}: ${words}`, code ?? undefined, stderr));
    });
    if (input !== undefined) {
      // EPIPE: the command ended without reading all of it; its exit code says whether that is a failure.
      child.stdin!.on('error', () => {});
      child.stdin!.end(input);
    }
  });
}
