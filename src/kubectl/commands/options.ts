import { command } from '../command.ts';
import { type Flags, globalFlags } from '../flags.ts';
import { flagText } from '../help.ts';

export const options = command({
  name: 'options',
  usage: 'options',
  summary: 'Print the list of flags inherited by all commands',
  examples: [['Print flags inherited by all commands', 'kubectl options']],
  async run({ out }) {
    out.line('The following options can be passed to any command:\n');
    for (const [name, flag] of Object.entries(globalFlags as Flags).sort(([a], [b]) => (a < b ? -1 : 1)))
      out.line(`${flagText(name, flag)}\n`);
  },
});
