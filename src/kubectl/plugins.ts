// Programs in PATH whose names begin with `kubectl-`: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
import type { Environment } from './environment.ts';
import { join } from './paths.ts';

const prefix = 'kubectl-';

const directories = ({ env }: Environment): string[] => [
  ...new Set((env.PATH ?? '').split(':').filter(Boolean)),
];

/**
 * The program that a command line means, by as many of its words as there are, and what it gets of them; undefined where
 * there is none. A dash in a word is an underscore in the name of the program.
 */
export async function findPlugin(
  environment: Environment,
  argv: string[],
): Promise<{ path: string; args: string[] } | undefined> {
  const flag = argv.findIndex((word) => word.startsWith('-'));
  const words = (flag < 0 ? argv : argv.slice(0, flag)).map((word) => word.replaceAll('-', '_'));
  for (let count = words.length; count > 0; count--)
    for (const directory of directories(environment)) {
      const path = join(directory, prefix + words.slice(0, count).join('-'));
      const info = await environment.files.stat(path);
      if (info && info.type !== 'directory') return { path, args: argv.slice(count) };
    }
  return undefined;
}

/** All such programs, in the order of PATH. */
export async function plugins(environment: Environment): Promise<string[]> {
  const found: string[] = [];
  for (const directory of directories(environment)) {
    const info = await environment.files.stat(directory);
    if (info?.type !== 'directory' && info?.type !== 'link') continue;
    for (const name of await environment.files.list(directory))
      if (name.startsWith(prefix)) found.push(`${directory}/${name}`);
  }
  return found;
}
