import { command, entry } from '../command.ts';
import { canI } from './auth/can-i.ts';
import { reconcile } from './auth/reconcile.ts';
import { whoami } from './auth/whoami.ts';

export const auth = command({
  name: 'auth',
  usage: 'auth',
  summary: 'Inspect authorization',
  description: 'Inspect authorization.',
  commands: [canI, reconcile, whoami].map(entry),
});
