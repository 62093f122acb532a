import { readFile } from 'node:fs/promises';
import { runCommand } from '../../machinery/node/command.ts';

/** Targets of mounts at or below a directory, the deepest first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const targets = table
    .split('\n')
    .map((line) => plain(line.split(' ')[4] ?? ''))
    .filter((target) => target === directory || target.startsWith(`${directory}/`));
  // Of two mounts on one target the later one lies on top.
  return targets.reverse().sort((a, b) => b.length - a.length);
}

/** The kernel writes space, tab, newline and backslash as octal. */
const plain = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export const isMountPoint = async (path: string): Promise<boolean> =>
  (await mountsBelow(path)).includes(path);

const mount = async (...args: string[]): Promise<void> => {
  await runCommand('mount', args);
};

export const mountTmpfs = (target: string, options: string[]): Promise<void> =>
  mount('-t', 'tmpfs', '-o', options.join(), 'tmpfs', target);

export const mountHugepages = (target: string, options: string[]): Promise<void> =>
  mount('-t', 'hugetlbfs', '-o', options.join(), 'nodev', target);

/** `source` is taken as it is: a path of /proc/PID/fd means the file that is open there, whatever its name has become. */
export const bindMount = (source: string, target: string): Promise<void> =>
  mount('--no-canonicalize', '--bind', source, target);

/** Unmounts all at or below a directory. A mount that is busy is detached: it goes when its last user does. */
export async function unmountBelow(directory: string): Promise<void> {
  for (const target of await mountsBelow(directory)) {
    await runCommand('umount', ['--no-canonicalize', target]).catch(() =>
      runCommand('umount', ['--no-canonicalize', '--lazy', target]),
    );
  }
  const left = await mountsBelow(directory);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
}
