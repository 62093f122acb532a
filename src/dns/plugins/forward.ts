import { type Clock, sleep } from '../../machinery/clock.ts';
import { parseAddress } from '../address.ts';
import { CorefileError, parseCount, unknownWord, zonesOf } from '../corefile.ts';
import { type Message, query, rcodeName, rcodes, reply, types } from '../message.ts';
import { isWithin } from '../name.ts';
import type { Context, PluginKind, Upstream } from '../plugin.ts';

/** One upstream, and whether it is worth asking. */
class Resolver {
  readonly at: Upstream;
  fails = 0;
  #probing = false;
  constructor(at: Upstream) {
    this.at = at;
  }

  /** Asks every half a second until something comes back. */
  async probe(exchange: () => Promise<Message>, clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    try {
      while (this.fails > 0 && !signal.aborted) {
        try {
          await exchange();
          this.fails = 0; // any answer, even a refusal, is a sign of life
        } catch {
          await sleep(clock, 500, signal).catch(() => undefined);
        }
      }
    } finally {
      this.#probing = false;
    }
  }
}

/** `10.0.0.1`, `10.0.0.1:5353`, `dns://[fd00::1]:53`; undefined when it is a file. */
function parseUpstream(text: string, line: number): Upstream | undefined {
  const bare = text.replace(/^dns:\/\//, '');
  if (/^\w+:\/\//.test(bare)) throw new CorefileError(line, `forward speaks plain DNS only, not ${text}`);
  const match = /^\[(.+)\](?::(\d+))?$/.exec(bare) ?? /^([^:]+)(?::(\d+))?$/.exec(bare);
  const host = match && parseAddress(match[1]!) ? match[1]! : parseAddress(bare) ? bare : undefined;
  if (!host) return undefined;
  const port = Number(match?.[2] ?? 53);
  if (port < 1 || port > 65_535) throw new CorefileError(line, `not a port: ${text}`);
  return { host, port };
}

/** Addresses of the `nameserver` lines of /etc/resolv.conf. */
export const nameservers = (text: string): string[] =>
  text.split('\n').flatMap((line) => /^\s*nameserver\s+([^\s#;]+)/.exec(line)?.[1]?.replace(/%.*/, '') ?? []);

const udpBytes = 1232;
const totalMs = 5000;

/**
 * `forward`: asks other resolvers, one after the other until one answers, for five seconds in all. Each gets two seconds. One
 * that fails `max_fails` times in a row is passed over until it answers a probe; when all are like that, they are asked
 * anyway. A truncated answer is asked for again over TCP.
 *
 * Corefile: `forward FROM TO...`: questions within FROM (`.` for all) go to addresses, or to those of a resolv.conf file. In a
 * block: `except ZONES...`, `force_tcp`, `prefer_udp`, `policy random|round_robin|sequential` (random), `max_fails N` (2, 0:
 * never passed over), `max_concurrent N` (1000; more are refused), `health_check` and `expire` (accepted).
 */
export const forward: PluginKind = {
  name: 'forward',
  setup({ args, body, line }, context: Context) {
    const { clock, random, host, metrics, log } = context;
    const [from, ...targets] = args;
    if (!from || targets.length === 0) throw new CorefileError(line, 'forward FROM TO...');
    const [zone] = zonesOf([from], [], line);
    let except: readonly string[] = [];
    let tcp = false;
    let policy = 'random';
    let maxFails = 2;
    let maxConcurrent = 1000;
    for (const each of body) {
      const [word, value] = each.words;
      if (word === 'except') except = zonesOf(each.words.slice(1), [], each.line);
      else if (word === 'force_tcp') tcp = true;
      else if (word === 'prefer_udp') tcp = false;
      else if (word === 'max_fails') maxFails = parseCount(value, each.line);
      else if (word === 'max_concurrent') maxConcurrent = parseCount(value, each.line);
      else if (word === 'policy' && ['random', 'round_robin', 'sequential'].includes(value!)) policy = value!;
      else if (word !== 'health_check' && word !== 'expire') throw unknownWord('forward', each);
    }
    const targetsOf = (names: readonly string[]) =>
      names.map((name) => ({ name, at: parseUpstream(name, line) }));
    const parsed = targetsOf(targets);

    let resolvers: Resolver[] = [];
    let turn = 0;
    let active = 0;
    const ended = new AbortController();

    const inOrder = (): Resolver[] => {
      const alive = resolvers.filter((each) => maxFails === 0 || each.fails < maxFails);
      const list = alive.length > 0 ? alive : resolvers;
      const start =
        policy === 'sequential' ? 0 : policy === 'round_robin' ? turn++ : Math.floor(random() * list.length);
      return list.map((_, i) => list[(start + i) % list.length]!);
    };
    const newId = () => Math.floor(random() * 65_536);

    const ask = async (to: Upstream, message: Message, timeoutMs: number): Promise<Message> => {
      const start = clock.now();
      const answer = await host.exchange(to, message, { protocol: tcp ? 'tcp' : 'udp', timeoutMs });
      if (!answer.truncated || tcp) return answer;
      return host.exchange(to, message, { protocol: 'tcp', timeoutMs: timeoutMs - (clock.now() - start) });
    };

    const resolve = async (asked: Message): Promise<Message> => {
      const deadline = clock.now() + totalMs;
      // A client may be within our answer for its own id only: the id of the question upstream is ours.
      const { edns } = asked;
      const message: Message = {
        ...asked,
        id: newId(),
        edns: { udpSize: udpBytes, version: 0, dnssec: edns?.dnssec ?? false, options: new Uint8Array() },
      };
      for (let round = 0; ; round++) {
        for (const resolver of inOrder()) {
          const timeoutMs = Math.min(2000, deadline - clock.now());
          if (timeoutMs <= 0 || ended.signal.aborted || round > 2) {
            return reply(asked, { rcode: rcodes.SERVFAIL });
          }
          try {
            const began = clock.now();
            const answer = await ask(resolver.at, message, timeoutMs);
            const to = `${resolver.at.host}:${resolver.at.port}`;
            const took = metrics.forwarded.with('forward', to, rcodeName(answer.rcode));
            took.observe((clock.now() - began) / 1000);
            resolver.fails = 0;
            return { ...answer, id: asked.id, questions: asked.questions, edns: undefined };
          } catch (error) {
            resolver.fails++;
            log.debug('upstream did not answer', { host: resolver.at.host, error: String(error) });
            if (maxFails === 0 || resolver.fails < maxFails) continue;
            void resolver.probe(
              () =>
                host.exchange(resolver.at, query(newId(), '.', types.NS), {
                  protocol: 'udp',
                  timeoutMs: 2000,
                }),
              clock,
              ended.signal,
            );
          }
        }
      }
    };

    return {
      name: 'forward',
      async start() {
        const found: Upstream[] = [];
        for (const { name, at } of parsed) {
          if (at) found.push(at);
          else {
            const given = context.upstream ?? nameservers(await host.readFile(name));
            for (const address of given) {
              const upstream = parseUpstream(address, line);
              if (upstream) found.push(upstream);
            }
          }
        }
        if (found.length === 0) log.warn('no upstream resolvers: names outside the cluster are not answered');
        resolvers = found.map((upstream) => new Resolver(upstream));
      },
      stop: () => ended.abort(),
      handle(request, next) {
        const { name, message } = request;
        if (!isWithin(name, zone!) || except.some((other) => isWithin(name, other))) return next(request);
        if (active >= maxConcurrent) return reply(message, { rcode: rcodes.REFUSED });
        if (resolvers.length === 0) return reply(message, { rcode: rcodes.SERVFAIL });
        active++;
        return resolve(message).finally(() => {
          active--;
        });
      },
    };
  },
};
