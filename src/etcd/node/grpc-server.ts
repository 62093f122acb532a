import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { authService } from '../auth.ts';
import { type etcdMessages, etcdMethods } from '../etcd.gen.ts';
import { code, compacted, EtcdError, futureRevision, toEtcdError } from '../etcd-error.ts';
import { type Header, kvService } from '../kv.ts';
import { Leases } from '../leases.ts';
import { bytesOf, etcdCodec, type Read, type Write } from '../messages.ts';
import type { MvccStore } from '../mvcc.ts';
import { hashOf } from '../snapshot.ts';
import { WatchStream } from '../watch-stream.ts';
import { type Listener, listen } from './grpc/listen.ts';
import type { Call } from './grpc/stream.ts';
import { type CallCounts, EtcdMetrics, plainHttp } from './metrics.ts';
import { saveSnapshot } from './snapshot-file.ts';

export interface EtcdServerConfig {
  store: MvccStore & { clean?(): Promise<void> };
  /** Where to listen: `http://127.0.0.1:2379`, `https://…` (needs `tls`), `unix:///path`. Port 0 takes a free one. */
  urls: string[];
  /** PEM. With `clientCA`, only clients whose certificate it has signed are let in. */
  tls?: { cert: Buffer; key: Buffer; clientCA?: Buffer };
  /** Where nothing but metrics and health is told: `http://…`, or `https://…` with `tls`. */
  metricsUrls?: string[];
  /** What the process has to say among the metrics. */
  ofProcess?: () => string;
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
const clusterVersion = '3.5.0';
const clusterId = 0x77_68_65_72_72_79;
const memberId = 0x6d_65_6d_62_65_72;
/** There is one term: nobody else can lead. */
const raftTerm = 2;

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
  const metrics = new EtcdMetrics(store, apiVersion);

  const unary: Record<string, (request: any) => Promise<object>> = {
    ...kvService(store, header, leases.has),
    ...authService(now),
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
    async Hash(): Promise<Write<'HashResponse'>> {
      return { header: now(), hash: await hashOf(store, store.revision, setImmediate) };
    },
    async HashKV({ revision }: Read<'HashKVRequest'>): Promise<Write<'HashKVResponse'>> {
      const at = revision || store.revision;
      if (at > store.revision) throw futureRevision();
      if (at < store.compactRevision) throw compacted();
      return {
        header: now(),
        hash: await hashOf(store, at, setImmediate),
        compactRevision: store.compactRevision,
        hashRevision: at,
      };
    },
    async MoveLeader(): Promise<never> {
      throw new EtcdError(code.failedPrecondition, 'bad leader transferee');
    },
    Alarm: async (): Promise<Write<'AlarmResponse'>> => ({ header: now(), alarms: [] }),
    async MemberList(): Promise<Write<'MemberListResponse'>> {
      return { header: now(), members: [{ ID: memberId, name: 'default', clientURLs: urls }] };
    },
  };

  const streams: Record<string, (call: Call) => void> = {
    Watch(call) {
      const stream = new WatchStream(store, clock, header, (response) =>
        call.send(etcdCodec.encode('WatchResponse', response)),
      );
      call.onMessage = (message) => {
        try {
          stream.receive(etcdCodec.decode('WatchRequest', message));
        } catch (error) {
          stream.close();
          const refused = toEtcdError(error);
          call.end(refused.code, refused.message);
        }
      };
      call.onEnd = () => {
        stream.close();
        call.end();
      };
      call.onCancel = () => stream.close();
    },
    LeaseKeepAlive(call) {
      call.onMessage = (message) => {
        const { ID } = etcdCodec.decode('LeaseKeepAliveRequest', message);
        const answer = { header: now(), ID, TTL: leases.keepAlive(ID) };
        call.send(etcdCodec.encode('LeaseKeepAliveResponse', answer));
      };
      call.onEnd = () => call.end();
    },
    Snapshot(call) {
      call.onMessage = () => {
        sendSnapshot(store, call, now).catch((error: unknown) => {
          const refused = toEtcdError(error);
          call.end(refused.code, refused.message);
        });
      };
    },
  };

  const methods = new Map<string, (call: Call) => void>();
  for (const [name, [service, request, response]] of Object.entries(etcdMethods)) {
    const path = `/etcdserverpb.${service}/${name}`;
    const answer = unary[name] as (typeof unary)[string] | undefined;
    const type = answer ? 'unary' : name === 'Snapshot' ? 'server_stream' : 'bidi_stream';
    const counts = metrics.callsOf(`etcdserverpb.${service}`, name, type);
    const stream = streams[name];
    if (answer) methods.set(path, answering(name, request, response, answer, log, counts));
    else
      methods.set(path, (call) => {
        counts.started.value++;
        stream!(call);
      });
  }
  methods.set(
    '/grpc.health.v1.Health/Check',
    answering(
      ...(['Check', 'HealthCheckRequest', 'HealthCheckResponse'] as const),
      async () => ({ status: 1 }),
      log,
      metrics.callsOf('grpc.health.v1.Health', 'Check', 'unary'),
    ),
  );

  const listeners: Listener[] = [];
  const metricsListeners: Listener[] = [];
  const close = async () => {
    leases.close();
    // Watches do not end by themselves.
    await Promise.all([...listeners, ...metricsListeners].map((one) => one.close(200)));
  };
  const versions = { etcdserver: apiVersion, etcdcluster: clusterVersion };
  const http = plainHttp(metrics, versions, config.ofProcess ?? (() => ''));
  const { tls, metricsUrls = [] } = config;
  try {
    for (const url of config.urls)
      listeners.push(await listen({ url, tls, route: (path) => methods.get(path), http }));
    // Whoever monitors it has no certificate of a client.
    const open = tls && { cert: tls.cert, key: tls.key };
    for (const url of metricsUrls)
      metricsListeners.push(await listen({ url, tls: open, route: () => undefined, http }));
  } catch (error) {
    await close();
    throw error;
  }
  urls.push(...listeners.map((one) => one.url));
  return { urls, close, [Symbol.asyncDispose]: close };
}

type Name = keyof typeof etcdMessages;
/** Of requests that write: etcd's own default. */
const largestRequest = 1.5 * 1024 * 1024;

/** A call of one request and one answer. */
const answering =
  (
    name: string,
    request: Name,
    response: Name,
    handle: (request: any) => Promise<object>,
    log: Log,
    counts: CallCounts,
  ) =>
  (call: Call): void => {
    const refuse = (error: unknown) => {
      const refused = toEtcdError(error);
      if (refused !== error) log.warn('a request failed', { method: name, error: String(error) });
      counts.failed(refused.code);
      call.end(refused.code, refused.message);
    };
    counts.started.value++;
    call.onMessage = (message) => {
      if (message.length > largestRequest)
        return refuse(new EtcdError(code.invalidArgument, 'request is too large'));
      let read: object;
      try {
        read = etcdCodec.decode(request, message, 'shared');
      } catch (error) {
        return call.end(code.internal, `the request is malformed: ${(error as Error).message}`);
      }
      handle(read).then((answer) => {
        counts.ok.value++;
        call.answer(etcdCodec.encode(response, answer as never));
      }, refuse);
    };
  };

/** The file in parts, its SHA-256 at the end, as etcd's clients expect it. */
async function sendSnapshot(
  store: MvccStore,
  call: Call,
  header: () => Write<'ResponseHeader'>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-snapshot-'));
  try {
    const file = join(dir, 'snapshot');
    let { bytes: remainingBytes } = await saveSnapshot(store, file);
    for await (const part of createReadStream(file, { highWaterMark: 64 * 1024 })) {
      if (call.cancelled) return;
      remainingBytes -= part.length;
      call.send(etcdCodec.encode('SnapshotResponse', { header: header(), remainingBytes, blob: part }));
      await call.drained();
    }
    call.end();
  } finally {
    rmSync(dir, { recursive: true });
  }
}
