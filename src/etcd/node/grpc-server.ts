import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { etcdMethods } from '../etcd.gen.ts';
import { toEtcdError } from '../etcd-error.ts';
import { type Header, kvService } from '../kv.ts';
import { Leases } from '../leases.ts';
import { bytesOf, etcdCodec, type Read, type Write } from '../messages.ts';
import type { MvccStore } from '../mvcc.ts';
import { WatchStream } from '../watch-stream.ts';
import { saveSnapshot } from './snapshot-file.ts';

export interface EtcdServerConfig {
  store: MvccStore & { clean?(): Promise<void> };
  /** Where to listen: `http://127.0.0.1:2379`, `https://…` (needs `tls`), `unix:///path`. Port 0 takes a free one. */
  urls: string[];
  /** PEM. With `clientCA`, only clients whose certificate it has signed are let in. */
  tls?: { cert: Buffer; key: Buffer; clientCA?: Buffer };
  clock: Clock;
  random: () => number;
  log: Log;
}

export interface EtcdServer extends AsyncDisposable {
  /** The URLs, with the ports that were taken. */
  urls: string[];
  close(): Promise<void>;
}

/** The version whose API is spoken; Kubernetes asks for it before it requests progress of watches. */
const apiVersion = '3.5.21';
const clusterId = 0x77_68_65_72_72_79;
const memberId = 0x6d_65_6d_62_65_72;
/** There is one term: nobody else can lead. */
const raftTerm = 2;
/** etcd's own default of 1.5 MiB, and half a MiB for what is around it. */
const largestRequest = 2 * 1024 * 1024;

/**
 * Serves the etcd v3 API (KV, Watch, Lease, Cluster, and what one member can tell of Maintenance) on a store of this
 * process. Closing it leaves the store open.
 */
export async function startEtcdServer(config: EtcdServerConfig): Promise<EtcdServer> {
  const { store, clock, log } = config;
  const header: Header = (revision) => ({ clusterId, memberId, revision, raftTerm });
  const now = () => header(store.revision);
  const leases = new Leases(store, config);
  const urls: string[] = [];

  const unary: Record<string, (request: any) => Promise<object>> = {
    ...kvService(store, header, leases.has),
    async LeaseGrant({ TTL, ID }: Read<'LeaseGrantRequest'>): Promise<Write<'LeaseGrantResponse'>> {
      const { id, ttlSeconds } = await leases.grant(TTL, ID);
      return { header: now(), ID: id, TTL: ttlSeconds };
    },
    async LeaseRevoke({ ID }: Read<'LeaseRevokeRequest'>): Promise<Write<'LeaseRevokeResponse'>> {
      return { header: header(await leases.revoke(ID)) };
    },
    async LeaseTimeToLive({ ID, keys }: Read<'LeaseTimeToLiveRequest'>) {
      const lease = leases.timeToLive(ID);
      const held = keys && lease ? (await store.transact((view) => view.keysOfLease(ID))).result : [];
      return {
        header: now(),
        ID,
        TTL: lease?.remaining ?? -1,
        grantedTTL: lease?.granted ?? 0,
        keys: held.map(bytesOf),
      } satisfies Write<'LeaseTimeToLiveResponse'>;
    },
    async LeaseLeases(): Promise<Write<'LeaseLeasesResponse'>> {
      return { header: now(), leases: leases.list().map((ID) => ({ ID })) };
    },
    async Status(): Promise<Write<'StatusResponse'>> {
      const { bytes, inUse } = store.stats();
      const index = store.revision;
      return {
        ...{ header: now(), version: apiVersion, dbSize: bytes, dbSizeInUse: inUse },
        ...{ leader: memberId, raftTerm, raftIndex: index, raftAppliedIndex: index },
      };
    },
    async Defragment(): Promise<Write<'DefragmentResponse'>> {
      await store.clean?.();
      return { header: now() };
    },
    Alarm: async (): Promise<Write<'AlarmResponse'>> => ({ header: now(), alarms: [] }),
    async MemberList(): Promise<Write<'MemberListResponse'>> {
      return { header: now(), members: [{ ID: memberId, name: 'default', clientURLs: urls }] };
    },
  };

  const streams: Record<string, (call: any) => void> = {
    Watch(call: ServerDuplexStream<Read<'WatchRequest'>, Write<'WatchResponse'>>) {
      const stream = new WatchStream(store, clock, header, (response) => void call.write(response));
      call.on('data', (request) => {
        try {
          stream.receive(request);
        } catch (error) {
          stream.close();
          call.destroy(toEtcdError(error));
        }
      });
      call.on('end', () => {
        stream.close();
        call.end();
      });
      call.on('cancelled', () => stream.close());
      call.on('error', () => stream.close()); // the connection is gone, and the watches with it
    },
    LeaseKeepAlive(call: ServerDuplexStream<Read<'LeaseKeepAliveRequest'>, Write<'LeaseKeepAliveResponse'>>) {
      call.on('data', ({ ID }) => void call.write({ header: now(), ID, TTL: leases.keepAlive(ID) }));
      call.on('end', () => void call.end());
      call.on('error', () => {}); // the connection is gone; the lease runs out by itself
    },
    Snapshot(call: ServerWritableStream<Read<'SnapshotRequest'>, Write<'SnapshotResponse'>>) {
      sendSnapshot(store, call, now).catch((error) => call.destroy(toEtcdError(error)));
    },
  };

  const server = new Server({
    'grpc.max_receive_message_length': largestRequest,
    'grpc.max_send_message_length': -1,
  });
  for (const [service, methods] of Object.entries(
    Object.groupBy(Object.entries(etcdMethods), ([, [service]]) => service),
  )) {
    const definition: Record<string, MethodDefinition<any, any>> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const [name, [, request, response, stream = '']] of methods as unknown as [string, string[]][]) {
      definition[name] = {
        path: `/etcdserverpb.${service}/${name}`,
        requestStream: stream === '> >',
        responseStream: stream !== '',
        ...serializers(request as 'RangeRequest', response as 'RangeResponse'),
      };
      implementation[name] = streams[name] ?? answering(unary[name]!, log.child({ method: name }));
    }
    server.addService(definition, implementation);
  }

  for (const url of config.urls) urls.push(await listen(server, url, config.tls));
  const close = async () => {
    leases.close();
    // Watches do not end by themselves.
    const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    const timer = clock.after(200, () => server.forceShutdown());
    await drained;
    timer.cancel();
  };
  return { urls, close, [Symbol.asyncDispose]: close };
}

const asBuffer = (bytes: Uint8Array<ArrayBuffer>): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const serializers = (request: 'RangeRequest', response: 'RangeResponse') => ({
  requestSerialize: (value: object) => asBuffer(etcdCodec.encode(request, value)),
  requestDeserialize: (bytes: Buffer) => etcdCodec.decode(request, new Uint8Array(bytes)),
  responseSerialize: (value: object) => asBuffer(etcdCodec.encode(response, value)),
  responseDeserialize: (bytes: Buffer) => etcdCodec.decode(response, bytes),
});

const answering =
  (handle: (request: any) => Promise<object>, log: Log) =>
  (call: ServerUnaryCall<any, any>, reply: sendUnaryData<any>): void => {
    handle(call.request).then(
      (response) => reply(null, response),
      (error: unknown) => {
        const refused = toEtcdError(error);
        if (refused !== error) log.warn('a request failed', { error: String(error) });
        reply({ code: refused.code, details: refused.message });
      },
    );
  };

async function listen(server: Server, url: string, tls: EtcdServerConfig['tls']): Promise<string> {
  const { protocol, host, hostname, pathname } = new URL(url);
  if (protocol === 'https:' && !tls) throw new Error(`${url} needs a certificate and its key`);
  if (protocol !== 'https:' && protocol !== 'http:' && protocol !== 'unix:')
    throw new Error(
      `"${url}" is no URL to listen at: use http://ADDRESS:PORT, https://ADDRESS:PORT or unix:///PATH`,
    );
  const credentials =
    protocol === 'https:'
      ? ServerCredentials.createSsl(
          tls!.clientCA ?? null,
          [{ cert_chain: tls!.cert, private_key: tls!.key }],
          tls!.clientCA !== undefined,
        )
      : ServerCredentials.createInsecure();
  const address = protocol === 'unix:' ? `unix:${pathname}` : host.includes(':') ? host : `${host}:2379`;
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, credentials, (error, bound) =>
      error ? reject(new Error(`cannot listen at ${url}: ${error.message}`)) : resolve(bound),
    ),
  );
  return protocol === 'unix:' ? url : `${protocol}//${hostname}:${port}`;
}

/** The file in parts, its SHA-256 at the end, as etcd's clients expect it. */
async function sendSnapshot(
  store: MvccStore,
  call: ServerWritableStream<Read<'SnapshotRequest'>, Write<'SnapshotResponse'>>,
  header: () => Write<'ResponseHeader'>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-snapshot-'));
  try {
    const file = join(dir, 'snapshot');
    let { bytes: remainingBytes } = await saveSnapshot(store, file);
    for await (const part of createReadStream(file, { highWaterMark: 64 * 1024 })) {
      if (call.cancelled) return;
      remainingBytes -= part.length;
      if (!call.write({ header: header(), remainingBytes, blob: new Uint8Array(part) }))
        await new Promise<void>((resolve) => {
          call.once('drain', resolve);
          call.once('cancelled', resolve);
        });
    }
    call.end();
  } finally {
    rmSync(dir, { recursive: true });
  }
}
