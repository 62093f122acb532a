import { sleep } from '../../machinery/clock.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Log } from '../../machinery/log.ts';
import type { Controller, Environment } from './environment.ts';

export interface PeriodicRules {
  name: string;
  /** Kinds whose informers must have synced before the first run. */
  reads: Kind<any>[];
  everyMs: (environment: Environment) => number;
  /** A failure is logged, and the next run comes as usual. */
  run: (environment: Environment, log: Log, signal: AbortSignal) => Promise<void>;
}

/** A controller that looks at everything now and then. */
export function periodic(rules: PeriodicRules): Controller {
  return {
    name: rules.name,
    start(environment) {
      const { clock, informers } = environment;
      const log = environment.log.child({ controller: rules.name });
      const stopping = new AbortController();
      const { signal } = stopping;
      for (const kind of rules.reads) informers(kind);
      const loop = async () => {
        await Promise.all(rules.reads.map((kind) => informers(kind).whenSynced(signal)));
        for (;;) {
          await sleep(clock, rules.everyMs(environment), signal);
          try {
            await rules.run(environment, log, signal);
          } catch (error) {
            if (!signal.aborted) log.warn('run failed', { error });
          }
        }
      };
      const running = loop().catch((error) => {
        if (!signal.aborted) log.error('stopped', { error });
      });
      return {
        async [Symbol.asyncDispose]() {
          stopping.abort(new Error('stopped'));
          await running;
        },
      };
    },
  };
}
