import type { Client, Informers } from '../client/client.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { Tracer } from '../machinery/trace.ts';
import type { Directive } from './corefile.ts';
import type { Message } from './message.ts';
import type { Metrics } from './metrics.ts';

/** One question on its way through the plugins. */
export interface Request {
  readonly message: Message;
  /** The name asked for, lowercase and absolute. */
  readonly name: string;
  readonly type: number;
  /** Zone of the server block that the question fell into. */
  readonly zone: string;
  /** Address of who asks; empty when the server asks itself. */
  readonly client: string;
  readonly protocol: 'udp' | 'tcp' | 'internal';
  /** How many questions of the server to itself led here. */
  readonly depth: number;
}

/** Not a promise where nothing has to be waited for: most answers come from memory. */
export type Answer = Message | Promise<Message>;
export type Handler = (request: Request) => Answer;

/**
 * A plugin of one server block. A question passes the plugins in the order of plugins/index.ts, whatever their order in the
 * Corefile; each answers, or asks `next` and may change what comes back.
 */
export interface Plugin {
  readonly name: string;
  handle?(request: Request, next: Handler): Answer;
  /** When the whole server is set up; questions may come in before it resolves. Rejects: the server does not start. */
  start?(): Promise<void> | void;
  stop?(): Promise<void> | void;
  /** False while it cannot answer yet. */
  ready?(): boolean;
}

/** What the Corefile names: makes a plugin from its directive, or throws a CorefileError. */
export interface PluginKind {
  readonly name: string;
  setup(directive: Directive, context: Context): Plugin;
}

export interface Upstream {
  readonly host: string;
  readonly port: number;
}

/** What the machine does for plugins. */
export interface Host {
  /** Asks a server; rejects on timeout, when there is nobody, or when the answer is not one to this question. */
  exchange(
    to: Upstream,
    message: Message,
    options: { protocol: 'udp' | 'tcp'; timeoutMs: number },
  ): Promise<Message>;
  readFile(path: string): Promise<string>;
  /** Serves HTTP GET at `[host]:port`. */
  serveHttp(
    address: string,
    respond: (path: string) => { status: number; body: string },
  ): Promise<AsyncDisposable>;
}

/** What a plugin gets of the server around it. */
export interface Context {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly trace: Tracer;
  readonly client: Client;
  readonly informers: Informers;
  readonly host: Host;
  readonly metrics: Metrics;
  /** Zones of the server block. */
  readonly zones: readonly string[];
  /** Resolvers that stand for /etc/resolv.conf. */
  readonly upstream?: readonly string[];
  /** Asks this server itself, through all plugins. */
  resolve(name: string, type: number, depth: number): Promise<Message>;
  /** Names of plugins that cannot answer yet. */
  notReady(): string[];
  /** Reads the Corefile again, and takes it when it changed. Undefined: it cannot change. */
  readonly reload?: () => Promise<void>;
}

/** Maps an answer, now or later. */
export const after = (answer: Answer, map: (message: Message) => Message): Answer =>
  answer instanceof Promise ? answer.then(map) : map(answer);
