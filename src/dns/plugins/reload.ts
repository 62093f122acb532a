import type { Timer } from '../../machinery/clock.ts';
import { parseDuration, refuseBody } from '../corefile.ts';
import type { PluginKind } from '../plugin.ts';

/**
 * `reload`: looks now and then whether the Corefile has changed, and takes the new one. A Corefile with a mistake is told
 * in the log, and the one in use stays.
 *
 * Corefile: `reload [INTERVAL] [JITTER]` (default 30s and 15s).
 */
export const reload: PluginKind = {
  name: 'reload',
  setup(directive, { clock, random, log, reload: read }) {
    refuseBody(directive);
    const [interval = '30s', jitter = '15s'] = directive.args;
    const intervalMs = parseDuration(interval, directive.line);
    const jitterMs = parseDuration(jitter, directive.line);
    let timer: Timer | undefined;
    let stopped = false;
    const schedule = () => {
      if (!read || stopped) return;
      timer = clock.after(intervalMs + random() * jitterMs, () => {
        read()
          .catch((error) => log.error('Corefile not taken', { error: (error as Error).message }))
          .finally(schedule);
      });
    };
    return {
      name: 'reload',
      start: schedule,
      stop() {
        stopped = true;
        timer?.cancel();
      },
    };
  },
};
