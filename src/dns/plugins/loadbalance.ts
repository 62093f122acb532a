import { CorefileError, refuseBody } from '../corefile.ts';
import { type Message, types } from '../message.ts';
import { after, type PluginKind } from '../plugin.ts';

/**
 * `loadbalance`: address records (A, AAAA) come in random order, so that clients that take the first spread out. Records of
 * other types, a CNAME chain above all, stay in front and in order.
 *
 * Corefile: `loadbalance [round_robin]`.
 */
export const loadbalance: PluginKind = {
  name: 'loadbalance',
  setup(directive, { random }) {
    refuseBody(directive);
    const [policy = 'round_robin'] = directive.args;
    if (policy !== 'round_robin') throw new CorefileError(directive.line, `unknown policy ${policy}`);
    const isAddress = ({ type }: { type: number }) => type === types.A || type === types.AAAA;
    const shuffle = (message: Message): Message => {
      const addresses = message.answers.filter(isAddress);
      if (addresses.length < 2) return message;
      for (let i = addresses.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [addresses[i], addresses[j]] = [addresses[j]!, addresses[i]!];
      }
      return { ...message, answers: [...message.answers.filter((each) => !isAddress(each)), ...addresses] };
    };
    return { name: 'loadbalance', handle: (request, next) => after(next(request), shuffle) };
  },
};
