import type { AnyObject } from '../machinery/meta.ts';
import type { Environment } from './environment.ts';
import type { Flags, FlagValues, globalFlags } from './flags.ts';
import type { Kube } from './kube.ts';

export type { AnyObject };
export type GlobalValues = FlagValues<typeof globalFlags>;

/** What a command gets to work with. */
export interface Context<F = Record<string, any>> {
  /** As the user would type it: `kubectl create deployment`. */
  path: string;
  args: string[];
  /** How many args came before `--`; -1 without one. */
  dash: number;
  flags: F & GlobalValues;
  /** Flags that the user gave. */
  given: ReadonlySet<string>;
  out: Lines;
  err: Lines;
  environment: Environment;
  signal: AbortSignal;
  /** The cluster; the first call connects to it. */
  kube(): Promise<Kube>;
}

export interface Lines {
  write(text: string): void;
  line(text: string): void;
}

/** One command of kubectl, or a group of them. */
export interface Command<F extends Flags = any> {
  name: string;
  aliases?: string[];
  /** After `kubectl`: `cordon NODE`. */
  usage: string;
  summary: string;
  description?: string;
  /** What it does, and the command line. */
  examples?: [string, string][];
  flags?: F;
  commands?: CommandEntry[];
  run?(context: Context<FlagValues<F>>): Promise<number | undefined | void>;
  /** The command takes what follows as it is, flags and all (`kubectl plugin`-like tools). */
  hidden?: boolean;
}

/** A command in a list: named here, loaded when it is used, so that starting costs only what is needed. */
export interface CommandEntry {
  name: string;
  aliases?: string[];
  summary: string;
  group?: string;
  hidden?: boolean;
  load(): Promise<Command<any>>;
}

/** Checks a command's types; gives it back as it is. */
export const command = <F extends Flags>(definition: Command<F>): Command<F> => definition;

/** An entry for a command that is already there, or one to be loaded. */
export const entry = (loaded: Command<any>): CommandEntry => ({
  name: loaded.name,
  aliases: loaded.aliases,
  summary: loaded.summary,
  hidden: loaded.hidden,
  load: async () => loaded,
});
