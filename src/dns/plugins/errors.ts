import { refuseBody } from '../corefile.ts';
import { type Message, rcodes, reply } from '../message.ts';
import type { PluginKind, Request } from '../plugin.ts';

/**
 * `errors`: a plugin that fails costs the client a SERVFAIL and the log a line. Without it the client gets the SERVFAIL too,
 * but nobody hears why.
 *
 * Corefile: `errors` (a block with `consolidate` is accepted: equal lines within five seconds are one line anyway).
 */
export const errors: PluginKind = {
  name: 'errors',
  setup(directive, { log, clock }) {
    refuseBody({ ...directive, body: directive.body.filter(({ words }) => words[0] !== 'consolidate') });
    let last = '';
    let quietUntil = 0;
    const failed = (request: Request, error: unknown): Message => {
      const text = String(error);
      if (text !== last || clock.now() >= quietUntil) {
        log.error('question failed', { name: request.name, type: request.type, error });
        last = text;
        quietUntil = clock.now() + 5000;
      }
      return reply(request.message, { rcode: rcodes.SERVFAIL });
    };
    return {
      name: 'errors',
      handle(request, next) {
        try {
          const answer = next(request);
          return answer instanceof Promise ? answer.catch((error) => failed(request, error)) : answer;
        } catch (error) {
          return failed(request, error);
        }
      },
    };
  },
};
