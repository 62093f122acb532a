import type { VersionOfObject, Versions } from '../apiserver/history/paths.ts';
import { parseMoment } from '../machinery/history.ts';
import { ask } from './api.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { type Difference, differences, writersOf } from './object-diff.ts';
import { demandRunning } from './place.ts';

interface DiffFlags {
  name: string;
  'data-dir'?: string;
  namespace: string;
  since?: string;
  output?: string;
}

export const diff = subcommand({
  name: 'diff',
  usage: 'diff POD | TYPE/NAME [-n NAMESPACE] [--since MOMENT] [-o json]',
  summary:
    'Shows who changed an object, what, and when, from the history that the cluster keeps (wherry up --history).',
  flags: {
    ...common,
    namespace: { type: 'string', short: 'n', default: 'default' },
    since: { type: 'string' },
    output: { type: 'string', short: 'o' },
  },
  help: {
    ...commonHelp,
    namespace: { value: 'NS', help: "the object's namespace" },
    since: {
      value: 'MOMENT',
      help: 'a revision (4711), a time (2026-01-02T03:04:05Z), or how long ago (10m); all that is known unless told',
    },
    output: { value: 'json', help: 'every version, as JSON' },
  },
  examples: [
    'wherry diff web-0 --since 10m',
    'wherry diff deployment/web --since 4711',
    'wherry diff node/vm',
  ],
  async run(args, flags: DiffFlags) {
    const [type, name] =
      args.length === 2 ? args : args[0]?.includes('/') ? args[0].split('/') : ['pods', args[0]];
    if (!type || !name || args.length > 2)
      throw new UserError('what? Say "wherry diff POD" or "wherry diff TYPE/NAME".', 2);
    const { dataDir } = demandRunning(flags);
    const query = new URLSearchParams({ type, name, namespace: flags.namespace });
    if (flags.since) query.set('since', momentText(flags.since));
    const found = await ask<Versions>(dataDir, `/wherry/history/versions?${query}`);
    process.stdout.write(
      flags.output === 'json' ? `${JSON.stringify(found, null, 2)}\n` : drawVersions(found),
    );
    return 0;
  },
});

/** Times of this machine's zone become absolute here. */
function momentText(text: string): string {
  try {
    const moment = parseMoment(text, Date.now());
    return 'revision' in moment ? String(moment.revision) : new Date(moment.timeMs).toISOString();
  } catch (error) {
    throw new UserError(`--since: ${(error as Error).message}.`, 2);
  }
}

const clockTime = (time: string | undefined): string => time?.replace('T', ' ').replace(/\.\d+Z$/, 'Z') ?? '';

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

function line(change: Difference): string {
  if (!('before' in change)) return `  + ${change.path}: ${shown(change.after)}`;
  if (!('after' in change)) return `  - ${change.path}: ${shown(change.before)}`;
  return `  ~ ${change.path}: ${shown(change.before)} -> ${shown(change.after)}`;
}

/** A paragraph for each version: when, by whom, what. */
export function drawVersions({
  type,
  namespace,
  name,
  since,
  sinceTime,
  before,
  versions,
}: Versions): string {
  const title = `${type.toLowerCase()} ${namespace ? `${namespace}/` : ''}${name}`;
  const from = `since revision ${since}${sinceTime ? ` (${clockTime(sinceTime)})` : ''}`;
  if (!versions.length) return `${title}: ${before ? 'no change' : 'was not there'} ${from}\n`;
  const lines = [`${title}: ${versions.length} change${versions.length > 1 ? 's' : ''} ${from}`];
  let last = before;
  for (const version of versions) {
    lines.push('', heading(version, last));
    const { object } = version;
    if (object && last) {
      const changes = differences(last, object);
      for (const change of changes) lines.push(line(change));
      if (!changes.length) lines.push('  nothing but bookkeeping');
    } else if (object)
      for (const [part, value] of Object.entries(object))
        if (part === 'spec' || part === 'data') lines.push(`  + ${part}: ${shown(value)}`);
    last = object;
  }
  return `${lines.join('\n')}\n`;
}

function heading({ revision, time, object }: VersionOfObject, last: Versions['before']): string {
  const what = object ? (last ? '' : 'created') : 'deleted';
  const who = object ? writersOf(last, object).join(', ') : '';
  return [`revision ${revision}`, clockTime(time), what, who].filter(Boolean).join('   ');
}
