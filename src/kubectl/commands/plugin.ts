import { command, entry } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { baseName } from '../paths.ts';
import { plugins } from '../plugins.ts';

const list = command({
  name: 'list',
  usage: 'plugin list',
  summary: "List all visible plugin executables on a user's PATH",
  examples: [['List all available plugins', 'kubectl plugin list']],
  flags: { 'name-only': flag.bool('If true, display only the binary name of each plugin.') },
  async run({ environment, err, flags: f, out }) {
    const found = await plugins(environment);
    if (!found.length) throw new KubectlError('unable to find any kubectl plugins in your PATH');
    const { commands } = await import('./index.ts');
    const seen = new Map<string, string>();
    let warnings = 0;
    const warn = (text: string) => {
      warnings++;
      err.line(`  - warning: ${text}`);
    };
    out.line('The following compatible plugins are available:\n');
    for (const path of found) {
      const name = baseName(path);
      out.line(f['name-only'] ? name : path);
      const words = name.split('-').slice(1);
      if ((((await environment.files.stat(path))?.mode ?? 0) & 0o111) === 0)
        warn(`${path} identified as a kubectl plugin, but it is not executable`);
      if (commands.some((one) => one.name === words.join('-')))
        warn(`${name} overwrites existing command: "kubectl ${words.join(' ')}"`);
      const before = seen.get(name);
      if (before) warn(`${path} is overshadowed by a similarly named plugin: ${before}`);
      else seen.set(name, path);
    }
    if (warnings)
      throw new KubectlError(
        `${warnings === 1 ? 'one plugin warning was' : `${warnings} plugin warnings were`} found`,
      );
  },
});

export const plugin = command({
  name: 'plugin',
  usage: 'plugin [flags]',
  summary: 'Provides utilities for interacting with plugins',
  commands: [entry(list)],
});
