// Command-line flags, read as kubectl reads them (POSIX short flags, `--long`, `--long=value`, `--`).
import { parseDuration } from './printers/duration.ts';

export interface Flag<T = unknown> {
  /** What stands for the value in help: `string`, `int`, ``. */
  type: 'bool' | 'string' | 'int' | 'duration' | 'strings' | 'stringArray';
  short?: string;
  default: T;
  usage: string;
  /** The value of a flag given without one; undefined: a value must follow. */
  bare?: string;
  hidden?: boolean;
  /** Reads a value; `before` is the value so far, undefined at the first. Throws an Error with the reason. */
  parse(text: string, before: T | undefined): T;
}

export type Flags = Record<string, Flag<any>>;
export type FlagValues<F extends Flags> = { [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface More {
  short?: string;
  bare?: string;
  hidden?: boolean;
}

const parseBool = (text: string): boolean => {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
};

const parseInteger = (text: string): number => {
  if (!/^[-+]?(\d+|0x[0-9a-fA-F]+)$/.test(text))
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
};

/** Values of a comma-separated list; a value in double quotes may have commas. */
function splitList(text: string): string[] {
  if (text === '') return [];
  const values = [''];
  let quoted = false;
  for (const c of text) {
    if (c === '"') quoted = !quoted;
    else if (c === ',' && !quoted) values.push('');
    else values[values.length - 1] += c;
  }
  return values;
}

export const flag = {
  bool: (usage: string, more: More & { default?: boolean } = {}): Flag<boolean> => ({
    type: 'bool',
    default: false,
    bare: 'true',
    usage,
    parse: parseBool,
    ...more,
  }),
  string: (usage: string, more: More & { default?: string } = {}): Flag<string> => ({
    type: 'string',
    default: '',
    usage,
    parse: (text) => text,
    ...more,
  }),
  int: (usage: string, more: More & { default?: number } = {}): Flag<number> => ({
    type: 'int',
    default: 0,
    usage,
    parse: parseInteger,
    ...more,
  }),
  /** Milliseconds. */
  duration: (usage: string, more: More & { default?: number } = {}): Flag<number> => ({
    type: 'duration',
    default: 0,
    usage,
    parse: parseDuration,
    ...more,
  }),
  /** A comma-separated list that may be given several times. */
  strings: (usage: string, more: More & { default?: string[] } = {}): Flag<string[]> => ({
    type: 'strings',
    default: [],
    usage,
    parse: (text, before = []) => [...before, ...splitList(text)],
    ...more,
  }),
  /** Given several times; commas are part of a value. */
  stringArray: (usage: string, more: More & { default?: string[] } = {}): Flag<string[]> => ({
    type: 'stringArray',
    default: [],
    usage,
    parse: (text, before = []) => [...before, text],
    ...more,
  }),
};

/** A flag that is not known, or has no fit value. */
export class FlagError extends Error {}

export interface Parsed {
  values: Record<string, unknown>;
  /** Flags that the user gave. */
  given: Set<string>;
  args: string[];
  /** How many args came before `--`; -1 without one. */
  dash: number;
}

const named = (name: string, { short }: Flag): string => (short ? `-${short}, --${name}` : `--${name}`);

/** Reads arguments. Throws a FlagError. */
export function parseFlags(flags: Flags, argv: string[]): Parsed {
  const byShort = new Map(Object.entries(flags).flatMap(([name, f]) => (f.short ? [[f.short, name]] : [])));
  const given = new Set<string>();
  const values: Record<string, unknown> = {};
  for (const name in flags) values[name] = flags[name]!.default;
  const args: string[] = [];
  const set = (name: string, text: string) => {
    const known = flags[name]!;
    try {
      values[name] = known.parse(text, given.has(name) ? values[name] : undefined);
    } catch (error) {
      throw new FlagError(
        `invalid argument ${JSON.stringify(text)} for ${JSON.stringify(named(name, known))} flag: ${(error as Error).message}`,
      );
    }
    given.add(name);
  };
  let i = 0;
  const next = (missing: string): string => {
    if (i + 1 >= argv.length) throw new FlagError(`flag needs an argument: ${missing}`);
    return argv[++i]!;
  };
  for (; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === '--') {
      const dash = args.length;
      return { values, given, args: [...args, ...argv.slice(i + 1)], dash };
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=');
      const name = arg.slice(2, equals < 0 ? undefined : equals);
      const known = Object.hasOwn(flags, name) ? flags[name]! : undefined;
      if (!known) throw new FlagError(`unknown flag: --${name}`);
      set(name, equals >= 0 ? arg.slice(equals + 1) : (known.bare ?? next(arg)));
    } else if (arg.startsWith('-') && arg !== '-') {
      for (let j = 1; j < arg.length; j++) {
        const short = arg[j]!;
        const name = byShort.get(short);
        if (!name) throw new FlagError(`unknown shorthand flag: '${short}' in ${arg}`);
        const known = flags[name]!;
        if (arg[j + 1] === '=') {
          set(name, arg.slice(j + 2));
          break;
        }
        if (known.bare !== undefined) {
          set(name, known.bare);
          continue;
        }
        set(name, j + 1 < arg.length ? arg.slice(j + 1) : next(`'${short}' in ${arg}`));
        break;
      }
    } else args.push(arg);
  }
  return { values, given, args, dash: -1 };
}

/** Flags that every command takes. */
export const globalFlags = {
  as: flag.string('Username to impersonate for the operation.'),
  'as-group': flag.stringArray('Group to impersonate for the operation; may be repeated.'),
  'as-uid': flag.string('UID to impersonate for the operation.'),
  'as-user-extra': flag.stringArray('Extra user field (key=value) to impersonate; may be repeated.'),
  'cache-dir': flag.string('Accepted for compatibility: nothing is cached on disk.'),
  'certificate-authority': flag.string('Path to a certificate file of the certificate authority.'),
  'client-certificate': flag.string('Path to a client certificate file for TLS.'),
  'client-key': flag.string('Path to a client key file for TLS.'),
  cluster: flag.string('The name of the kubeconfig cluster to use.'),
  context: flag.string('The name of the kubeconfig context to use.'),
  'disable-compression': flag.bool('Do not ask the server for compressed answers.'),
  'insecure-skip-tls-verify': flag.bool(
    'Do not check the server’s certificate. The connection is then insecure.',
  ),
  kubeconfig: flag.string('Path to the kubeconfig file to use for requests.'),
  'match-server-version': flag.bool('Require the server’s version to match the client’s.'),
  namespace: flag.string('The namespace of this request.', { short: 'n' }),
  password: flag.string('Password for basic authentication to the API server.'),
  'request-timeout': flag.string('How long to wait for one request (1s, 2m, 3h); zero means no limit.', {
    default: '0',
  }),
  server: flag.string('The address and port of the API server.', { short: 's' }),
  'tls-server-name': flag.string('Name that the server’s certificate is checked for.'),
  token: flag.string('Bearer token for authentication to the API server.'),
  user: flag.string('The name of the kubeconfig user to use.'),
  username: flag.string('Username for basic authentication to the API server.'),
  v: flag.int('How much to tell of what is done; from 6 on, each request.', { short: 'v' }),
  'warnings-as-errors': flag.bool('Take warnings from the server as errors.'),
};
