import type { Client, Informers } from '../client/client.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { MetricRegistry } from '../machinery/metrics.ts';
import type { Tracer } from '../machinery/trace.ts';
import { defaultCorefile } from './default-corefile.ts';
import type { Host } from './plugin.ts';
import { Server } from './server.ts';

export interface Address {
  readonly host: string;
  /** 0: any that is free, the same for UDP and TCP. */
  readonly port: number;
}

/** The machine's side: node/sockets.ts. */
export interface DnsSockets extends Host {
  /** Answers over UDP and TCP at one address from now on. Rejects when it is taken. */
  listen(server: Server, address: Address, log: Log): Promise<{ port: number; close(): Promise<void> }>;
}

export interface DnsOptions {
  client: Client;
  informers: Informers;
  clock: Clock;
  /** Ids of forwarded questions come from it. */
  random: Random;
  log: Log;
  trace: Tracer;
  sockets: DnsSockets;
  /** Where questions are counted, where the Corefile has `prometheus`. */
  metrics?: MetricRegistry;
  /** A Corefile, or a way to read one that may change (see the `reload` plugin). Unless given: defaultCorefile(). */
  corefile?: string | (() => Promise<string>);
  /** Where to listen. */
  addresses: readonly Address[];
  /** `cluster.local` */
  clusterDomain?: string;
  /** Resolvers for names outside the cluster (`IP` or `IP:PORT`), instead of those of /etc/resolv.conf. */
  upstream?: readonly string[];
}

export interface DnsServer extends AsyncDisposable {
  /** Of the first address. */
  readonly port: number;
  readonly server: Server;
}

/** Starts the cluster's DNS server. Rejects for a Corefile with a mistake, and when an address is taken. */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const { corefile = defaultCorefile(options.clusterDomain ?? 'cluster.local'), sockets, log } = options;
  const server = new Server({
    ...options,
    corefile: typeof corefile === 'string' ? corefile : await corefile(),
    readCorefile: typeof corefile === 'string' ? undefined : corefile,
    host: sockets,
  });
  const listeners: { port: number; close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await server[Symbol.asyncDispose]();
  };
  try {
    for (const address of options.addresses) listeners.push(await sockets.listen(server, address, log));
    await server.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { port: listeners[0]?.port ?? 0, server, [Symbol.asyncDispose]: close };
}
