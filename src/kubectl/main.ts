import type { Access } from '../client/kubeconfig.ts';
import { type Rest, restTransport } from '../client/rest.ts';
import type { Command, CommandEntry, Context, GlobalValues, Lines } from './command.ts';
import { commands } from './commands/index.ts';
import { accessOf } from './config.ts';
import type { Environment, Output } from './environment.ts';
import { describeError, KubectlError } from './errors.ts';
import { exchangeLog } from './exchanges.ts';
import { FlagError, type Flags, globalFlags, parseFlags } from './flags.ts';
import { Kube } from './kube.ts';
import { parseDuration } from './printers/duration.ts';

export const userAgent = 'kubectl/v1.36.2 (wherry)';

/** Runs one command line (without the program's name). Resolves to the exit code; never rejects. */
export async function runKubectl(argv: string[], environment: Environment): Promise<number> {
  const root: Command = {
    name: 'kubectl',
    usage: '[flags] [options]',
    summary: 'kubectl controls the Kubernetes cluster manager.',
    commands,
  };
  let path = 'kubectl';
  const warnings: string[] = [];
  const closing: (() => void)[] = [];
  try {
    // `kubectl help create job` is `kubectl create job --help`.
    const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
    const first = words[0];
    if (
      first &&
      !first.startsWith('-') &&
      !commands.some((c) => c.name === first || c.aliases?.includes(first))
    ) {
      const { findPlugin } = await import('./plugins.ts');
      const plugin = await findPlugin(environment, words);
      if (plugin) return await environment.run(plugin.path, plugin.args);
    }
    const found = await findCommand(root, words);
    path = found.path;
    const { command } = found;
    const flags: Flags = { ...globalFlags, ...command.flags, help: helpFlag };
    const parsed = readFlags(flags, found.args, path);
    if (!command.run || parsed.given.has('help')) {
      const { helpText } = await import('./help.ts');
      if (command.commands && parsed.args.length && command !== root && !parsed.given.has('help'))
        throw unknownCommand(parsed.args[0]!, path, command.commands);
      environment.stdout.write(helpText(command, path));
      return 0;
    }
    const values = parsed.values as GlobalValues;
    if (parsed.given.has('record') && command.flags?.record)
      environment.stderr.write('Flag --record has been deprecated, --record will be removed in the future\n');
    let kube: Promise<Kube> | undefined;
    const context: Context = {
      path,
      args: parsed.args,
      dash: parsed.dash,
      flags: parsed.values as Context['flags'],
      given: parsed.given,
      out: lines(environment.stdout),
      err: lines(environment.stderr),
      environment,
      signal: environment.signal,
      kube: () => {
        kube ??= connect(environment, values, globalsGiven(parsed.given, command), warnings, closing);
        return kube;
      },
    };
    const code = (await command.run(context)) ?? 0;
    if (values['warnings-as-errors'] && warnings.length)
      throw new KubectlError(`${warnings.length} warning${warnings.length > 1 ? 's' : ''} received`);
    return code;
  } catch (error) {
    if (environment.signal.aborted) return 130;
    const { text, exitCode } = describeError(error, path);
    environment.stderr.write(text);
    return exitCode;
  } finally {
    for (const close of closing) close();
    await Promise.all([environment.stdout.drained(), environment.stderr.drained()]);
  }
}

/** A command's own flag hides the global one of its name: `create rolebinding --user` is not who we are. */
const globalsGiven = (given: ReadonlySet<string>, { flags = {} }: Command): Set<string> =>
  new Set([...given].filter((name) => !Object.hasOwn(flags, name)));

const helpFlag = { ...globalFlags['disable-compression'], short: 'h', usage: 'help', hidden: true };

function readFlags(flags: Flags, args: string[], path: string) {
  try {
    return parseFlags(flags, args);
  } catch (error) {
    if (error instanceof FlagError)
      throw new KubectlError(`${error.message}\nSee '${path} --help' for usage.`);
    throw error;
  }
}

const lines = (output: Output): Lines => ({
  write: (text) => output.write(text),
  line: (text) => output.write(`${text}\n`),
});

/** Follows the words of a command line to a command; flags may stand between them. */
async function findCommand(
  root: Command,
  argv: string[],
): Promise<{ command: Command; path: string; args: string[] }> {
  let command = root;
  let path = 'kubectl';
  let args = argv;
  while (command.commands) {
    const at = firstWord(args);
    if (at < 0) break;
    const word = args[at]!;
    const next = command.commands.find((c) => c.name === word || c.aliases?.includes(word));
    if (!next) {
      if (command === root) throw unknownCommand(word, path, command.commands);
      break;
    }
    command = await next.load();
    path = `${path} ${next.name}`;
    args = args.toSpliced(at, 1);
  }
  return { command, path, args };
}

/** Index of the first word that is neither a flag nor a flag's value. */
function firstWord(args: string[]): number {
  const shorts = new Map(Object.values(globalFlags).flatMap((f) => (f.short ? [[f.short, f]] : [])));
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--') return -1;
    if (!arg.startsWith('-') || arg === '-') return i;
    if (arg.includes('=')) continue;
    const flag = arg.startsWith('--')
      ? (globalFlags as Flags)[arg.slice(2)]
      : arg.length === 2
        ? shorts.get(arg[1]!)
        : undefined;
    if (flag && flag.bare === undefined) i++;
  }
  return -1;
}

/** Words of other programs, and what they are here. */
const meant: Record<string, string> = { list: 'get', ps: 'get', rm: 'delete' };

function unknownCommand(word: string, path: string, among: CommandEntry[]): KubectlError {
  const near = among
    .filter(({ name }) => distance(word, name) <= 2 || name.startsWith(word) || name === meant[word])
    .map((c) => c.name);
  const hint = near.length ? `\n\nDid you mean this?\n${near.map((name) => `\t${name}\n`).join('')}` : '';
  return new KubectlError(`unknown command ${JSON.stringify(word)} for ${JSON.stringify(path)}${hint}`);
}

/** Edits between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

async function connect(
  environment: Environment,
  flags: GlobalValues,
  given: ReadonlySet<string>,
  warnings: string[],
  closing: (() => void)[],
): Promise<Kube> {
  const access: Access | undefined = await accessOf(environment, flags, given);
  const options = {
    requestTimeoutMs: requestTimeout(flags['request-timeout']) || undefined,
    onExchange: flags.v >= 6 ? exchangeLog(environment, flags.v) : undefined,
  };
  const http =
    (await environment.connect(access, options)) ??
    (await environment.connect(
      { cluster: { server: 'http://localhost:8080' }, user: {}, namespace: undefined, context: '' },
      options,
    ))!;
  closing.push(() => http.close());
  const colored = environment.stderr.isTerminal;
  const warn = (text: string) =>
    environment.stderr.write(`${colored ? '\x1b[33;1mWarning:\x1b[0m' : 'Warning:'} ${text}\n`);
  const rest: Rest = restTransport(http, {
    userAgent,
    onWarning(text) {
      if (warnings.includes(text)) return;
      warnings.push(text);
      warn(text);
    },
  });
  return new Kube({
    rest,
    access,
    namespace: flags.namespace || access?.namespace || 'default',
    explicitNamespace: given.has('namespace') && flags.namespace !== '',
    signal: environment.signal,
    warn,
  });
}

/** `0`, `30`, `30s`; milliseconds. */
export function requestTimeout(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  try {
    return parseDuration(text);
  } catch {
    throw new KubectlError(
      `Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)`,
    );
  }
}
