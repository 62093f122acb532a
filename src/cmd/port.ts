import { UserError } from './command.ts';

/** What to do about a port that cannot be had. `choice`: how another is chosen. */
export const portSentence = (port: number, problem: string, choice: string): string =>
  problem === 'EADDRINUSE'
    ? `port ${port} is in use: end what uses it ("ss -ltnp 'sport = :${port}'" tells), or choose another with ${choice}.`
    : problem === 'EACCES'
      ? `port ${port} may not be used by this user: choose one above 1023 with ${choice}.`
      : `port ${port} cannot be used (${problem}): choose another with ${choice}.`;

/** Listens, or throws a UserError that says what stands in the way. */
export async function orSay<T>(port: number, choice: string, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const { code, syscall, port: taken } = error as NodeJS.ErrnoException & { port?: number };
    if (syscall !== 'listen' && syscall !== 'bind') throw error;
    // One of several: the system says which.
    const other = taken !== undefined && taken !== port;
    const sentence = portSentence(taken ?? port, code ?? String(error), other ? 'its own flag' : choice);
    throw new UserError(sentence);
  }
}

/** `127.0.0.1:10249`, `[::1]:10249`, `:9153` or a bare port. Throws a UserError. Undefined for "" and port 0. */
export function addressOf(flag: string, text: string): { host: string; port: number } | undefined {
  if (text === '') return undefined;
  const found = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) throw new UserError(`--${flag} takes ADDRESS:PORT, not "${text}".`, 2);
  return port ? { host: found[1] ?? (found[2] || '0.0.0.0'), port } : undefined;
}
