import type { Command, CommandEntry } from './command.ts';
import type { Flag, Flags } from './flags.ts';

const groups = [
  'Basic Commands (Beginner)',
  'Basic Commands (Intermediate)',
  'Deploy Commands',
  'Cluster Management Commands',
  'Troubleshooting and Debugging Commands',
  'Advanced Commands',
  'Settings Commands',
  'Other Commands',
];

/** What `--help` says. */
export function helpText(command: Command, path: string): string {
  const parts: string[] = [`${(command.description ?? command.summary).trim()}\n`];
  if (path === 'kubectl')
    parts.push(' Find more information at: https://kubernetes.io/docs/reference/kubectl/\n');
  if (command.examples?.length)
    parts.push(
      `Examples:\n${command.examples.map(([what, line]) => `  # ${what}\n${indent(line)}\n`).join('\n')}`,
    );
  if (command.commands) parts.push(...commandLists(command.commands, path === 'kubectl'));
  const flags = Object.entries((command.flags ?? {}) as Flags).filter(([, f]) => !f.hidden);
  if (flags.length)
    parts.push(
      `Options:\n${flags
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, f]) => `${flagText(name, f)}\n`)
        .join('\n')}`,
    );
  const usage = path === 'kubectl' ? 'kubectl [flags] [options]' : `kubectl ${command.usage}`;
  parts.push(`Usage:\n  ${usage}${command.commands && path !== 'kubectl' ? ' [flags] [options]' : ''}\n`);
  if (command.commands)
    parts.push(`Use "${path} <command> --help" for more information about a given command.`);
  if (path !== 'options')
    parts.push(
      'Use "kubectl options" for a list of global command-line options (applies to all commands).\n',
    );
  return `${parts.join('\n').replace(/\n+$/, '')}\n`;
}

const indent = (text: string): string =>
  text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

function commandLists(commands: CommandEntry[], grouped: boolean): string[] {
  const width = Math.max(...commands.map((c) => c.name.length));
  const list = (members: CommandEntry[]) =>
    members.map((c) => `  ${c.name.padEnd(width + 1)}  ${c.summary}\n`).join('');
  const shown = commands.filter((c) => !c.hidden);
  if (!grouped) return [`Available Commands:\n${list(shown)}`];
  return groups
    .map((title) => [title, shown.filter((c) => (c.group ?? 'Other Commands') === title)] as const)
    .filter(([, members]) => members.length)
    .map(([title, members]) => `${title}:\n${list(members)}`);
}

/** `    -o, --output='':` and what it means, indented by a tab. */
export function flagText(name: string, { short, default: value, usage, type }: Flag): string {
  const shown =
    type === 'bool' || type === 'int' ? String(value) : type === 'duration' ? `${value}` : quoted(value);
  return `    ${short ? `-${short}, ` : ''}--${name}=${shown}:\n\t${usage}`;
}

const quoted = (value: unknown): string => (Array.isArray(value) ? `[${value.join(',')}]` : `'${value}'`);
