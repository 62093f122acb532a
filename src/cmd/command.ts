import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Something that the user did wrong or that stands in the way: printed as one sentence, exit code 1. */
export class UserError extends Error {
  readonly code: number;
  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

export type FlagSpecs = NonNullable<ParseArgsConfig['options']>;
export interface FlagHelp {
  /** `N`, `DIR`: what stands for the value in help. */
  value?: string;
  help: string;
}

export interface Subcommand<F extends FlagSpecs = FlagSpecs> {
  name: string;
  usage: string;
  summary: string;
  flags: F;
  help: { [K in keyof F]: FlagHelp };
  examples?: string[];
  /** Unknown flags and all words are handed over as they are (`wherry kubectl`). */
  raw?: boolean;
  run(args: string[], flags: any): Promise<number>;
}

export const subcommand = <F extends FlagSpecs>(command: Subcommand<F>): Subcommand<any> => command;

/** Flags that every subcommand has. */
export const common = {
  name: { type: 'string', default: 'default' },
  'data-dir': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies FlagSpecs;
export const commonHelp = {
  name: { value: 'NAME', help: 'which cluster; several run side by side under different names' },
  'data-dir': {
    value: 'DIR',
    help: 'where it keeps everything (default /var/lib/wherry/NAME as root, ~/.wherry/NAME else)',
  },
  help: { help: 'this text' },
} as const;

export async function runSubcommand(command: Subcommand, argv: string[]): Promise<number> {
  if (command.raw) return command.run(argv, {});
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: argv,
      options: command.flags,
      allowPositionals: true,
      allowNegative: true,
    }) as typeof parsed;
  } catch (error) {
    throw new UserError(
      `${(error as Error).message.split('. To specify')[0]}; see "wherry ${command.name} --help".`,
      2,
    );
  }
  if (parsed.values.help) {
    process.stdout.write(helpOf(command));
    return 0;
  }
  return command.run(parsed.positionals, parsed.values);
}

export function helpOf(command: Subcommand): string {
  const rows = Object.entries(command.flags).map(([name, flag]) => {
    const { value, help } = command.help[name]!;
    const short = flag.short ? `-${flag.short}, ` : '';
    return [
      `  ${short}--${name}${value ? ` ${value}` : ''}`,
      help + (flag.default !== undefined && flag.default !== false ? ` (default ${flag.default})` : ''),
    ];
  });
  const width = Math.max(...rows.map(([left]) => left!.length)) + 2;
  const examples = command.examples?.length
    ? `\nExamples:\n${command.examples.map((e) => `  ${e}`).join('\n')}\n`
    : '';
  return `${command.summary}\n\nUsage: wherry ${command.usage}\n\nFlags:\n${rows.map(([l, r]) => l!.padEnd(width) + r).join('\n')}\n${examples}`;
}
