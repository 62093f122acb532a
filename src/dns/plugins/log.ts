import { unknownWord } from '../corefile.ts';
import { rcodeName, typeName } from '../message.ts';
import { after, type PluginKind } from '../plugin.ts';

/**
 * `log`: a line for each question: who asked for what, what the answer was, and how long it took in milliseconds.
 *
 * Corefile: `log`, or with a block `class all | denial | error | success ...` to log only such answers.
 */
export const logPlugin: PluginKind = {
  name: 'log',
  setup({ body }, { log, clock }) {
    const classes = new Set<string>();
    for (const line of body) {
      if (line.words[0] !== 'class') throw unknownWord('log', line);
      for (const word of line.words.slice(1)) classes.add(word);
    }
    if (classes.size === 0) classes.add('all');
    return {
      name: 'log',
      handle(request, next) {
        const start = clock.now();
        return after(next(request), (message) => {
          const { rcode, answers } = message;
          const kind =
            rcode === 3 || (rcode === 0 && answers.length === 0)
              ? 'denial'
              : rcode === 0
                ? 'success'
                : 'error';
          if (classes.has('all') || classes.has(kind)) {
            log.info('question', {
              ...{ client: request.client, protocol: request.protocol, name: request.name },
              ...{ type: typeName(request.type), rcode: rcodeName(rcode), answers: answers.length },
              ms: Math.round((clock.now() - start) * 1000) / 1000,
            });
          }
          return message;
        });
      },
    };
  },
};
