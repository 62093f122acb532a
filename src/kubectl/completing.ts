// What may stand where the cursor is.
import { qualifiedName } from '../client/discovery.ts';
import type { Command, Context } from './command.ts';
import { ConfigStore } from './commands/config/store.ts';
import { commands } from './commands/index.ts';
import { type Flags, globalFlags } from './flags.ts';
import { namespaces, nodes, pods } from './resources.ts';

const ofPods = ['logs', 'exec', 'attach', 'port-forward'];
const ofNodes = ['cordon', 'uncordon', 'drain'];
const ofTypes =
  'get describe delete edit label annotate patch scale autoscale expose wait taint rollout set explain events'.split(
    ' ',
  );
const shells = ['bash', 'fish', 'zsh'];

/** Candidates for the last word; what came before says what it is. */
export async function candidates(context: Context, words: string[]): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const { command, path, rest, namespace } = await walk(words.slice(0, -1));
  const fitting = (all: string[]) => [...new Set(all)].filter((word) => word.startsWith(current)).sort();
  const flags: Flags = { ...globalFlags, ...command?.flags };
  const before = words.at(-2) ?? '';
  if (valueFollows(before, flags)) {
    if (before === '-n' || before === '--namespace')
      return fitting(await names(context, namespaces, undefined));
    if (before === '--context' || before === '--cluster' || before === '--user')
      return fitting(await configured(context, `${before.slice(2)}s` as 'contexts' | 'clusters' | 'users'));
    return [];
  }
  if (current.startsWith('-'))
    return fitting(Object.keys(flags).flatMap((name) => (flags[name]!.hidden ? [] : [`--${name}`])));
  const subcommands = command ? command.commands : commands;
  if (subcommands && !rest.length) return fitting(subcommands.filter((c) => !c.hidden).map((c) => c.name));
  const [root = '', sub = ''] = path;
  if (ofPods.includes(root)) return rest.length ? [] : fitting(await names(context, pods, namespace));
  if (ofNodes.includes(root)) return fitting(await names(context, nodes, undefined));
  if (root === 'completion') return fitting(shells);
  if (root === 'config') {
    const list =
      sub === 'use-context' || sub.endsWith('-context')
        ? 'contexts'
        : sub.endsWith('-cluster')
          ? 'clusters'
          : 'users';
    return fitting(await configured(context, list));
  }
  if (!ofTypes.includes(root)) return [];
  return fitting(await typesOrNames(context, rest, current, namespace));
}

async function typesOrNames(
  context: Context,
  rest: string[],
  current: string,
  namespace?: string,
): Promise<string[]> {
  const kube = await context.kube();
  const [type] = rest;
  if (current.includes('/')) {
    const [word] = current.split('/') as [string];
    return (await names(context, await kube.resource(word), namespace)).map((name) => `${word}/${name}`);
  }
  if (type) return type.includes('/') ? [] : names(context, await kube.resource(type), namespace);
  const all = (await kube.discovery()).preferred().filter((r) => r.verbs.length);
  const plain = new Set<string>();
  return all.map((r) => (plain.has(r.plural) ? qualifiedName(r) : plain.add(r.plural) && r.plural));
}

/** The command that the words name, the words behind it, and the namespace that they choose. */
async function walk(words: string[]): Promise<{
  command: Command | undefined;
  path: string[];
  rest: string[];
  namespace: string | undefined;
}> {
  let command: Command | undefined;
  let namespace: string | undefined;
  const path: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word.startsWith('-')) {
      const value = /^--namespace=(.*)$/.exec(word)?.[1];
      if (value) namespace = value;
      if (valueFollows(word, { ...globalFlags, ...command?.flags })) {
        i++;
        if (word === '-n' || word === '--namespace') namespace = words[i];
      }
      continue;
    }
    const next = (command ? command.commands : commands)?.find(
      (c) => c.name === word || c.aliases?.includes(word),
    );
    if (next && !rest.length) {
      command = await next.load();
      path.push(next.name);
    } else rest.push(word);
  }
  return { command, path, rest, namespace };
}

function valueFollows(word: string, flags: Flags): boolean {
  if (!word.startsWith('-') || word.includes('=') || word === '-' || word === '--') return false;
  const flag = word.startsWith('--')
    ? flags[word.slice(2)]
    : Object.values(flags).find(({ short }) => short === word.at(-1));
  return flag !== undefined && flag.bare === undefined;
}

async function names(
  context: Context,
  resource: typeof pods,
  namespace: string | undefined,
): Promise<string[]> {
  const kube = await context.kube();
  const { items } = await kube.listAll(
    resource,
    resource.namespaced ? (namespace ?? kube.namespace) : undefined,
  );
  return items.map((item) => item.metadata.name!);
}

const configured = async (context: Context, list: 'contexts' | 'clusters' | 'users'): Promise<string[]> =>
  (await ConfigStore.open(context)).merged[list].map(({ name }) => name);
