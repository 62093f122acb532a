import type { Attack } from '../context.ts';
import { bodies } from './bodies.ts';
import { mutations } from './mutate.ts';
import { names } from './names.ts';
import { patches } from './patches.ts';
import { patterns } from './patterns.ts';
import { protocol } from './protocol.ts';
import { slow } from './slow.ts';
import { streams } from './streams.ts';

export const attacks: Attack[] = [
  ...bodies,
  ...names,
  ...slow,
  ...patterns,
  ...patches,
  ...protocol,
  ...streams,
  ...mutations,
];
