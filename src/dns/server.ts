import type { MetricRegistry } from '../machinery/metrics.ts';
import { decode, headerBytes, MalformedError } from './codec/decode.ts';
import { encode } from './codec/encode.ts';
import { CorefileError, parseCorefile, type ServerBlock } from './corefile.ts';
import { classIN, type Message, query, rcodes, reply, types } from './message.ts';
import { Metrics } from './metrics.ts';
import { absolute, longestMatch, lower } from './name.ts';
import type { Answer, Context, Handler, Plugin, PluginKind, Request } from './plugin.ts';
import { plugins as allPlugins } from './plugins/index.ts';

export interface ServerOptions
  extends Omit<Context, 'zones' | 'resolve' | 'notReady' | 'metrics' | 'reload'> {
  readonly corefile: string;
  /** Reads the Corefile again, for the `reload` plugin. */
  readonly readCorefile?: () => Promise<string>;
  /** Where it counts; a registry of its own unless given. */
  readonly metrics?: MetricRegistry;
  /** The plugins there are, in their order; ours unless given. */
  readonly plugins?: readonly PluginKind[];
}

interface Block {
  readonly zones: readonly string[];
  readonly plugins: readonly Plugin[];
  readonly handler: Handler;
}

/** EDNS: what we can take over UDP, and the most that we send. */
const ownUdpBytes = 1232;
const maxUdpBytes = 4096;
const maxDepth = 8;

/**
 * Questions in, answers out; knows nothing of sockets. Whatever the bytes are, `respond` does not throw: what is no question
 * gets FORMERR, or nothing where not even that can be said.
 */
export class Server implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly metrics: Metrics;
  #blocks: readonly Block[] = [];
  #byZone: ReadonlyMap<string, Block> = new Map();
  #corefile: string;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.metrics = new Metrics(options.metrics);
    this.#corefile = options.corefile;
    this.#use(this.#setUp(options.corefile));
  }

  async start(): Promise<void> {
    await startAll(this.#blocks);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    const blocks = this.#blocks;
    this.#use([]);
    await stopAll(blocks);
  }

  /** Plugins that cannot answer yet; [] when all is well. */
  notReady(): string[] {
    const waiting = this.#blocks.flatMap(({ plugins }) =>
      plugins.filter((plugin) => plugin.ready?.() === false),
    );
    return [...new Set(waiting.map(({ name }) => name))];
  }

  /** The bytes to send back, or undefined for none; `limit`: how many bytes of UDP there may be when the client says nothing. */
  respond(
    bytes: Uint8Array,
    client: string,
    protocol: 'udp' | 'tcp',
  ): Uint8Array | undefined | Promise<Uint8Array> {
    let message: Message;
    try {
      message = decode(bytes);
    } catch (error) {
      if (!(error instanceof MalformedError)) this.#options.log.error('message not read', { error });
      return this.#malformed(bytes);
    }
    if (message.response) return undefined; // answering answers could go on for ever
    const answer = this.#answer(message, client, protocol);
    if (answer instanceof Promise) return answer.then((each) => this.#write(message, each, protocol));
    return this.#write(message, answer, protocol);
  }

  /** A question of the server to itself. Rejects after too many of them in each other. */
  async resolve(name: string, type: number, depth = 0): Promise<Message> {
    if (depth > maxDepth) throw new Error(`${name} leads in circles`);
    return this.#route(query(0, absolute(name), type), '', 'internal', depth);
  }

  #malformed(bytes: Uint8Array): Uint8Array | undefined {
    if (bytes.length < headerBytes || (bytes[2]! & 0x80) !== 0) return undefined;
    const id = bytes[0]! * 256 + bytes[1]!;
    const opcode = (bytes[2]! >> 3) & 15;
    return encode({ ...reply(query(id, '.', 0), { rcode: rcodes.FORMERR, opcode }), questions: [] });
  }

  #answer(message: Message, client: string, protocol: 'udp' | 'tcp'): Answer {
    const refuse = (rcode: number) => reply(message, { rcode });
    if (message.edns && message.edns.version > 0) return refuse(rcodes.BADVERS);
    if (message.opcode !== 0) return refuse(rcodes.NOTIMP);
    const [question] = message.questions;
    if (!question || message.questions.length > 1) return refuse(rcodes.FORMERR);
    if (question.class !== classIN || question.type === types.AXFR || question.type === types.IXFR)
      return refuse(rcodes.REFUSED);
    try {
      const answer = this.#route(message, client, protocol, 0);
      if (!(answer instanceof Promise)) return answer;
      return answer.catch((error) => this.#failed(message, error));
    } catch (error) {
      return this.#failed(message, error);
    }
  }

  #failed(message: Message, error: unknown): Message {
    this.#options.log.debug('question failed', { name: message.questions[0]?.name, error });
    return reply(message, { rcode: rcodes.SERVFAIL });
  }

  #route(message: Message, client: string, protocol: Request['protocol'], depth: number): Answer {
    const { name, type } = message.questions[0]!;
    const asked = lower(name);
    const zone = longestMatch(asked, this.#byZone.keys());
    const block = zone !== undefined && this.#byZone.get(zone);
    if (!block) return reply(message, { rcode: rcodes.REFUSED });
    return block.handler({ message, name: asked, type, zone, client, protocol, depth });
  }

  #write(asked: Message, answer: Message, protocol: 'udp' | 'tcp'): Uint8Array {
    const edns = asked.edns && {
      ...{ udpSize: ownUdpBytes, version: 0, dnssec: asked.edns.dnssec, options: new Uint8Array() },
    };
    const limit =
      protocol === 'tcp' ? undefined : Math.max(512, Math.min(maxUdpBytes, asked.edns?.udpSize ?? 512));
    const { id, questions } = asked;
    try {
      return encode({ ...answer, id, questions, edns }, limit);
    } catch (error) {
      return encode({ ...this.#failed(asked, error), edns }, limit);
    }
  }

  #use(blocks: readonly Block[]): void {
    this.#blocks = blocks;
    this.#byZone = new Map(blocks.flatMap((block) => block.zones.map((zone) => [zone, block] as const)));
  }

  #setUp(corefile: string): Block[] {
    const blocks = parseCorefile(corefile);
    const seen = new Set<string>();
    for (const { zones, line } of blocks) {
      for (const zone of zones) {
        if (seen.has(zone)) throw new CorefileError(line, `two server blocks for ${zone}`);
        seen.add(zone);
      }
    }
    return blocks.map((block) => this.#setUpBlock(block));
  }

  #setUpBlock({ zones, directives }: ServerBlock): Block {
    const kinds = this.#options.plugins ?? allPlugins;
    for (const { name, line } of directives) {
      if (!kinds.some((kind) => kind.name === name))
        throw new CorefileError(
          line,
          `unknown plugin ${name}; there are ${kinds.map((kind) => kind.name).join(', ')}`,
        );
    }
    const context: Context = {
      ...this.#options,
      ...{ zones, metrics: this.metrics, notReady: () => this.notReady() },
      resolve: (name, type, depth) => this.resolve(name, type, depth),
      reload: this.#options.readCorefile && (() => this.#reload()),
    };
    const plugins = kinds.flatMap((kind) =>
      directives.filter(({ name }) => name === kind.name).map((directive) => kind.setup(directive, context)),
    );
    const last: Handler = ({ message }) => reply(message, { rcode: rcodes.REFUSED });
    const handler = plugins.reduceRight<Handler>((next, plugin) => {
      const handle = plugin.handle?.bind(plugin);
      return handle ? (request) => handle(request, next) : next;
    }, last);
    return { zones, plugins, handler };
  }

  async #reload(): Promise<void> {
    const text = await this.#options.readCorefile!();
    if (text === this.#corefile) return;
    const fresh = this.#setUp(text);
    const old = this.#blocks;
    // Listeners of the old blocks may have the ports that the new ones want.
    await stopAll(old);
    this.#use(fresh);
    this.#corefile = text;
    await startAll(fresh);
    this.#options.log.info('Corefile taken');
  }
}

const startAll = async (blocks: readonly Block[]): Promise<void> => {
  for (const plugin of blocks.flatMap(({ plugins }) => plugins)) await plugin.start?.();
};
const stopAll = async (blocks: readonly Block[]): Promise<void> => {
  await Promise.all(blocks.flatMap(({ plugins }) => plugins).map((plugin) => plugin.stop?.()));
};
