import type { CommandEntry } from '../command.ts';

/** Every command, in the order of help. */
export const commands: CommandEntry[] = [
  {
    name: 'get',
    summary: 'Display one or many resources',
    group: 'Basic Commands (Intermediate)',
    load: async () => (await import('./get.ts')).get,
  },
];
