import type { Client, Informers } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { MetricRegistry } from '../machinery/metrics.ts';
import type { Tracer } from '../machinery/trace.ts';
import type { Config } from './config.ts';
import { controllers } from './controllers/index.ts';
import { countOutcomes } from './metrics.ts';
import { WriteBarrier } from './runtime/write-barrier.ts';

export interface ControllerManagerOptions extends Config {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  /** Which controllers run, by name; `*` is all, `-name` all but that one (as in `--controllers=*,-cronjob`). */
  controllers?: string[];
  /** Where queues are counted, if anywhere. */
  metrics?: MetricRegistry;
}

/** Names of all controllers, in the order in which they start. */
export const controllerNames: readonly string[] = controllers.map((c) => c.name);

function isWanted(name: string, wanted: string[] = ['*']): boolean {
  if (wanted.includes(name)) return true;
  return wanted.includes('*') && !wanted.includes(`-${name}`);
}

/**
 * Starts the controllers. Resolves when all are wired to the informers, before those have synced: whoever owns the informers
 * starts them. Throws for a controller that does not exist.
 */
export async function startControllerManager(options: ControllerManagerOptions): Promise<AsyncDisposable> {
  const { client, informers, clock, random, trace, controllers: wanted, metrics, ...config } = options;
  const log = options.log.child({ component: 'controller-manager' });
  for (const name of wanted ?? []) {
    const plain = name.replace(/^-/, '');
    if (name !== '*' && !controllerNames.includes(plain))
      throw new Error(`"${plain}" is not a known controller`);
  }
  const barrier = new WriteBarrier(informers, clock);
  const running: AsyncDisposable[] = [];
  const names = new Set<string>();
  for (const controller of controllers.filter((c) => isWanted(c.name, wanted))) {
    const its = config.clientFor?.(controller.name) ?? client;
    const recorder = (component: string) => createEventRecorder({ client: its, clock, log, component });
    const environment = {
      ...{ client: its, informers, clock, random, log, trace, config, barrier, recorder },
      ...(metrics ? { metrics } : {}),
    };
    running.push(await controller.start(environment));
    names.add(controller.name);
  }
  const stopCounting = metrics ? countOutcomes(names, { informers, registry: metrics, clock }) : undefined;
  log.debug('controllers started', { count: running.length });
  return {
    async [Symbol.asyncDispose]() {
      barrier.close();
      stopCounting?.();
      await Promise.all(running.map((r) => r[Symbol.asyncDispose]()));
    },
  };
}
