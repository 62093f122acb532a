import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { CompactedError, FutureRevisionError } from '../../machinery/store.ts';
import { etcdMethods } from '../etcd.gen.ts';
import { etcdCodec, type Read, type Write } from '../messages.ts';

export interface RemoteOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `unix:///PATH`, members of one cluster. */
  endpoints: string[];
  /** PEM. */
  tls?: { ca?: Buffer | undefined; cert?: Buffer | undefined; key?: Buffer | undefined };
}

type Methods = typeof etcdMethods;
type Unary = Exclude<keyof Methods, 'Watch' | 'LeaseKeepAlive' | 'Snapshot'>;

const deadlineMs = 10_000;
const asBuffer = (bytes: Uint8Array<ArrayBuffer>): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** Calls one member of an etcd cluster, and the next one when it is not there. */
export class EtcdConnection {
  readonly #clients: Client[];
  readonly #endpoints: string[];
  #current = 0;

  constructor({ endpoints, tls = {} }: RemoteOptions) {
    if (!endpoints.length) throw new Error('no endpoint of etcd is given');
    this.#endpoints = endpoints;
    this.#clients = endpoints.map((endpoint) => {
      const { protocol, host, pathname } = new URL(endpoint);
      if (protocol !== 'http:' && protocol !== 'https:' && protocol !== 'unix:')
        throw new Error(
          `"${endpoint}" is no endpoint of etcd: use http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
        );
      const secure = (): ChannelCredentials =>
        credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
      return new Client(
        protocol === 'unix:' ? `unix:${pathname}` : host,
        protocol === 'https:' ? secure() : credentials.createInsecure(),
        {
          'grpc.max_receive_message_length': -1,
          'grpc.max_send_message_length': -1,
          'grpc.initial_reconnect_backoff_ms': 100,
          'grpc.max_reconnect_backoff_ms': 1000,
          'grpc.keepalive_time_ms': 10_000,
          'grpc.use_local_subchannel_pool': 1,
          'grpc.enable_retries': 0, // a write whose answer is lost may have been made
        },
      );
    });
  }

  /** Rejects with CompactedError, FutureRevisionError (for `revision`), or an Error that says what etcd said. */
  call<M extends Unary>(
    method: M,
    request: Write<Methods[M][1]>,
    revision = 0,
  ): Promise<Read<Methods[M][2]>> {
    const [service, requestType, responseType] = etcdMethods[method];
    const at = this.#current;
    return new Promise((resolve, reject) => {
      this.#clients[at]!.makeUnaryRequest(
        `/etcdserverpb.${service}/${method}`,
        (value: object) => asBuffer(etcdCodec.encode(requestType, value)),
        (bytes: Buffer) => etcdCodec.decode(responseType, new Uint8Array(bytes)),
        request,
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, response?: object) => {
          if (!error) return resolve(response as Read<Methods[M][2]>);
          if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) this.#next(at);
          if (error.details.includes('has been compacted')) return reject(new CompactedError(revision));
          if (error.details.includes('is a future revision'))
            return reject(new FutureRevisionError(revision));
          reject(new Error(`etcd at ${this.#endpoints[at]}: ${error.details}`, { cause: error }));
        },
      );
    });
  }

  #next(failed: number): void {
    if (this.#current === failed) this.#current = (failed + 1) % this.#clients.length;
  }

  watch(): ClientDuplexStream<Write<'WatchRequest'>, Read<'WatchResponse'>> {
    const at = this.#current;
    const stream = this.#clients[at]!.makeBidiStreamRequest(
      '/etcdserverpb.Watch/Watch',
      (value: Write<'WatchRequest'>) => asBuffer(etcdCodec.encode('WatchRequest', value)),
      (bytes: Buffer) => etcdCodec.decode('WatchResponse', new Uint8Array(bytes)),
      new Metadata(),
    );
    stream.on('error', () => this.#next(at));
    return stream;
  }

  /** The parts of a snapshot, its SHA-256 at the end. */
  async *snapshot(): AsyncIterable<Uint8Array> {
    const at = this.#current;
    const stream = this.#clients[at]!.makeServerStreamRequest(
      '/etcdserverpb.Maintenance/Snapshot',
      () => Buffer.alloc(0),
      (bytes: Buffer) => etcdCodec.decode('SnapshotResponse', new Uint8Array(bytes)),
      {},
      new Metadata(),
    );
    try {
      for await (const { blob } of stream as AsyncIterable<Read<'SnapshotResponse'>>) yield blob;
    } catch (error) {
      const { details } = error as ServiceError;
      throw new Error(`etcd at ${this.#endpoints[at]}: ${details ?? (error as Error).message}`, {
        cause: error,
      });
    }
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
