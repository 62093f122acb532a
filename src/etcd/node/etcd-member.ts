import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { CompactedError, FutureRevisionError } from '../../machinery/store.ts';
import { etcdMethods } from '../etcd.gen.ts';
import { etcdCodec, type Read, type Write } from '../messages.ts';

export interface EtcdTls {
  /** PEM. */
  ca?: Buffer | undefined;
  cert?: Buffer | undefined;
  key?: Buffer | undefined;
}

export type Methods = typeof etcdMethods;
export type Unary = Exclude<keyof Methods, 'Watch' | 'LeaseKeepAlive' | 'Snapshot'>;
export type WatchCall = ClientDuplexStream<Write<'WatchRequest'>, Read<'WatchResponse'>>;

/** A call that has no answer. `executed`: whether it may have been carried out, or be carried out yet. */
export class CallFailed extends Error {
  readonly executed: 'no' | 'maybe';
  constructor(message: string, executed: 'no' | 'maybe', cause: unknown) {
    super(message, { cause });
    this.executed = executed;
  }
}

/** Refusals of a member that has not begun with what it was asked for. */
const notBegun = [
  'No connection established',
  'ECONNREFUSED',
  'Name resolution failed',
  'etcdserver: no leader',
  'etcdserver: too many requests',
];
const transient = new Set<number>([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
  status.ABORTED,
]);

/** What a failed call means; `revision` is the one that it named. Other errors than CallFailed are etcd's last word. */
function meaningOf(error: ServiceError, endpoint: string, revision: number): Error {
  const { code, details } = error;
  if (details.includes('has been compacted')) return new CompactedError(revision);
  if (details.includes('is a future revision')) return new FutureRevisionError(revision);
  const message = `etcd at ${endpoint}: ${details}`;
  if (notBegun.some((text) => details.includes(text))) return new CallFailed(message, 'no', error);
  if (transient.has(code)) return new CallFailed(message, 'maybe', error);
  return new Error(message, { cause: error });
}

/** A member without a leader is to refuse, rather than to let us wait. */
function requireLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

/**
 * Members take it ill when they are pinged more often than every five seconds. Whether one is there is found out by asking
 * it something (`EtcdConnection`); this ends connections of which nobody has told us that they are dead.
 */
const channelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0, // a write whose answer is lost may have been made
};

const asBuffer = (bytes: Uint8Array<ArrayBuffer>): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export interface AttemptOptions {
  revision?: number;
  limitMs?: number;
  lasting?: boolean;
  signal?: AbortSignal;
}

/** One member of an etcd cluster. */
export class EtcdMember {
  readonly endpoint: string;
  readonly #client: Client;
  /** What `abandon` ends. */
  readonly #calls = new Set<{ cancel(): void }>();

  /** Throws for what is no endpoint. */
  constructor(endpoint: string, tls: EtcdTls) {
    const { protocol, host, pathname } = new URL(endpoint);
    if (protocol !== 'http:' && protocol !== 'https:' && protocol !== 'unix:')
      throw new Error(
        `"${endpoint}" is no endpoint of etcd: use http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
      );
    const secure = (): ChannelCredentials =>
      credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
    this.endpoint = endpoint;
    this.#client = new Client(
      protocol === 'unix:' ? `unix:${pathname}` : host,
      protocol === 'https:' ? secure() : credentials.createInsecure(),
      channelOptions,
    );
  }

  /**
   * One attempt. Rejects with CallFailed, CompactedError or FutureRevisionError (for `revision`), or an Error that says
   * what etcd said. Without `limitMs` it goes on until there is an answer, `signal` aborts, or the member is abandoned.
   * `lasting`: not even then.
   */
  unary<M extends Unary>(
    method: M,
    request: Write<Methods[M][1]>,
    { revision = 0, limitMs, lasting = false, signal }: AttemptOptions,
  ): Promise<Read<Methods[M][2]>> {
    const [service, requestType, responseType] = etcdMethods[method];
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        `/etcdserverpb.${service}/${method}`,
        (value: object) => asBuffer(etcdCodec.encode(requestType, value)),
        (bytes: Buffer) => etcdCodec.decode(responseType, new Uint8Array(bytes)),
        request,
        requireLeader(),
        (error: ServiceError | null, response?: object) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', cancel);
          this.#calls.delete(call);
          if (!error) resolve(response as Read<Methods[M][2]>);
          else reject(meaningOf(error, this.endpoint, revision));
        },
      );
      // An answer may be there already when our thread was busy: it is read before the second timer.
      if (limitMs) timer = setTimeout(() => (timer = setTimeout(cancel, 50)), limitMs);
      signal?.addEventListener('abort', cancel, { once: true });
      if (!lasting) this.#calls.add(call);
    });
  }

  watch(): WatchCall {
    const stream = this.#client.makeBidiStreamRequest(
      '/etcdserverpb.Watch/Watch',
      (value: Write<'WatchRequest'>) => asBuffer(etcdCodec.encode('WatchRequest', value)),
      (bytes: Buffer) => etcdCodec.decode('WatchResponse', new Uint8Array(bytes)),
      requireLeader(),
    );
    const gone = () => void this.#calls.delete(stream);
    this.#calls.add(stream);
    stream.on('error', gone);
    stream.on('end', gone);
    return stream;
  }

  snapshot(): ClientReadableStream<Read<'SnapshotResponse'>> {
    return this.#client.makeServerStreamRequest(
      '/etcdserverpb.Maintenance/Snapshot',
      () => Buffer.alloc(0),
      (bytes: Buffer) => etcdCodec.decode('SnapshotResponse', new Uint8Array(bytes)),
      {},
      new Metadata(),
    );
  }

  /** Ends what is under way: it may never be answered. */
  abandon(): void {
    for (const call of [...this.#calls]) call.cancel();
    this.#calls.clear();
  }

  close(): void {
    this.#client.close();
  }
}
