import type { PluginKind } from '../plugin.ts';
import { cache } from './cache.ts';
import { errors } from './errors.ts';
import { forward } from './forward.ts';
import { health } from './health.ts';
import { hosts } from './hosts.ts';
import { kubernetes } from './kubernetes.ts';
import { loadbalance } from './loadbalance.ts';
import { logPlugin } from './log.ts';
import { loop } from './loop.ts';
import { prometheus } from './prometheus.ts';
import { ready } from './ready.ts';
import { reload } from './reload.ts';

/** All plugins, in the order in which a question passes them. */
export const plugins: readonly PluginKind[] = [
  reload,
  ready,
  health,
  prometheus,
  errors,
  logPlugin,
  loadbalance,
  cache,
  hosts,
  kubernetes,
  loop,
  forward,
];
