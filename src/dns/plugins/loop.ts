import { refuseBody } from '../corefile.ts';
import { rcodes, reply, types } from '../message.ts';
import type { PluginKind } from '../plugin.ts';

/**
 * `loop`: finds out whether questions that are forwarded come back: /etc/resolv.conf of the machine may name this very
 * server (systemd-resolved does). At start it asks for a random name; when that comes in again, forwarding is
 * over: whatever would be forwarded gets SERVFAIL, at once instead of after going round until somebody gives up.
 *
 * Corefile: `loop`.
 */
export const loop: PluginKind = {
  name: 'loop',
  setup(directive, { random, log, zones, resolve }) {
    refuseBody(directive);
    const number = () => Math.floor(random() * 1e15);
    const zone = zones[0] === '.' ? '' : zones[0];
    const probe = `${number()}.${number()}.${zone}`;
    let seen = 0;
    let looping = false;
    return {
      name: 'loop',
      start() {
        // In the background: an upstream that does not answer is no reason to wait.
        resolve(probe, types.HINFO, 0).catch((error) =>
          log.debug('loop probe failed', { error: String(error) }),
        );
      },
      handle(request, next) {
        if (request.type === types.HINFO && request.name === probe && ++seen > 1 && !looping) {
          looping = true;
          log.error('forwarded questions come back to this server: nothing is forwarded any more', {
            zone: request.zone,
            client: request.client,
          });
        }
        return looping ? reply(request.message, { rcode: rcodes.SERVFAIL }) : next(request);
      },
    };
  },
};
