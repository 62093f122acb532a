// A server of a few lines of Corefile, without sockets: what its plugins do is seen by asking it.

import type { Clock } from '../../machinery/clock.ts';
import { createLog, type Log, silentLog } from '../../machinery/log.ts';
import { noTrace } from '../../machinery/trace.ts';
import { formatAddress } from '../address.ts';
import { decode } from '../codec/decode.ts';
import { encode } from '../codec/encode.ts';
import {
  classIN,
  type Message,
  query,
  type ResourceRecord,
  rcodeName,
  type Srv,
  typeName,
  types,
} from '../message.ts';
import { absolute } from '../name.ts';
import type { Context, Host, PluginKind, Request } from '../plugin.ts';
import { plugins } from '../plugins/index.ts';
import { Server, type ServerOptions } from '../server.ts';

/** A clock that stands until told. */
export function handClock() {
  let now = 1_000_000;
  const timers = new Set<{ at: number; fn: () => void }>();
  const clock: Clock = {
    now: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  const advance = async (ms: number) => {
    const end = now + ms;
    for (;;) {
      const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      timers.delete(next);
      now = next.at;
      next.fn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    now = end;
  };
  return { clock, advance };
}

/** Keeps what is logged: `level message`. */
export function listLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { log: createLog((level, message) => lines.push(`${level} ${message}`)), lines };
}

/** HTTP servers that plugins asked for: address -> answer to a path. */
export type Served = Map<string, (path: string) => { status: number; body: string }>;

export const noHost: Host & { served: Served } = {
  served: new Map(),
  exchange: () => Promise.reject(new Error('no upstream here')),
  readFile: () => Promise.reject(new Error('no file here')),
  async serveHttp(address, respond) {
    this.served.set(address, respond);
    return { [Symbol.asyncDispose]: async () => void this.served.delete(address) };
  },
};

/** The last plugin of a chain under test: answers whatever `handle` says. */
export const fixed = (handle: (request: Request) => Message | Promise<Message>): PluginKind => ({
  name: 'fixed',
  setup: () => ({ name: 'fixed', handle }),
});

export function makeServer(
  corefile: string,
  options: Partial<ServerOptions> = {},
  last?: PluginKind,
): Server {
  const context: Pick<Context, 'client' | 'informers'> = {
    client: undefined as never,
    informers: undefined as never,
  };
  return new Server({
    ...{
      ...context,
      corefile,
      clock: handClock().clock,
      random: Math.random,
      log: silentLog,
      trace: noTrace,
      host: noHost,
    },
    plugins: last ? [...plugins, last] : plugins,
    ...options,
  });
}

export const address = (name: string, ip: string, ttl = 30): ResourceRecord => ({
  ...{ name, type: types.A, class: classIN, ttl, data: Uint8Array.from(ip.split('.'), Number) },
});
export const soa = (name: string, ttl: number, minimum: number): ResourceRecord => ({
  ...{ name, type: types.SOA, class: classIN, ttl },
  data: { mname: 'ns.', rname: 'x.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

/** Asks as a client over UDP would. */
export async function ask(
  server: Server,
  name: string,
  type: keyof typeof types = 'A',
  more = {},
): Promise<Message> {
  const bytes = await server.respond(encode(query(7, absolute(name), types[type], more)), '127.0.0.1', 'udp');
  return decode(bytes!);
}

/** `NOERROR 10.0.0.1 10.0.0.2`: an answer in one line. */
export const brief = ({ rcode, answers }: Message): string =>
  [rcodeName(rcode), ...answers.map(briefRecord)].join(' ');

export function briefRecord({ type, data }: ResourceRecord): string {
  if (type === types.A || type === types.AAAA) return formatAddress(data as Uint8Array);
  if (type === types.SRV) return `${(data as Srv).port}/${(data as Srv).target}`;
  if (type === types.TXT) return new TextDecoder().decode((data as Uint8Array).subarray(1));
  return typeof data === 'string' ? data : typeName(type);
}
