// The CRI over gRPC on a unix socket: containerd's, CRI-O's, or anyone's who speaks CRI v1.

import { Client, credentials, status as grpcStatus, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Log } from '../../machinery/log.ts';
import { criMethods } from '../cri.gen.ts';
import { type ContainerRuntime, CriError, type CriErrorCode, type CriMethod, criCodec } from '../cri.ts';
import { checkRequest } from '../requests.ts';

// Calls that take as long as what they do; each has its own end (a pull's own timeout, a grace period, a command).
const unbounded: ReadonlySet<CriMethod> = new Set(['pullImage', 'execSync', 'stopContainer']);
// CNI and images on a busy disk are slow; upstream's kubelet waits two minutes for a runtime operation, four for these.
const slow: ReadonlySet<CriMethod> = new Set(['runPodSandbox', 'createContainer', 'startContainer']);
// The contract says that these succeed for what is gone; containerd 1.6 does not keep it for the stops.
const idempotent: ReadonlySet<CriMethod> = new Set([
  'stopPodSandbox',
  'removePodSandbox',
  'stopContainer',
  'removeContainer',
  'removeImage',
]);
const quickMs = 120_000;
const slowMs = 240_000;

const codeNames = new Map<number, CriErrorCode>(
  Object.entries(grpcStatus)
    .filter(([, code]) => typeof code === 'number')
    .map(([name, code]) => [code as number, name as CriErrorCode]),
);

/**
 * Connects to a runtime. Returns at once; calls wait for the connection up to their timeout only if the socket is
 * being reconnected, and reject with UNAVAILABLE where nothing listens. Reconnects by itself when the runtime restarts.
 * `socketPath` is a path or `unix://` URL.
 */
export function connectRuntime(
  socketPath: string,
  options: { log: Log },
): ContainerRuntime & AsyncDisposable {
  const { log } = options;
  const path = socketPath.replace(/^unix:(\/\/)?/, '');
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.use_local_subchannel_pool': 1, // closing this client closes its connection
    'grpc.enable_retries': 0,
  });
  const noMetadata = new Metadata();

  async function call(method: CriMethod, request: object, signal?: AbortSignal): Promise<any> {
    checkRequest(method, request);
    const [service, rpc, requestType, responseType] = criMethods[method];
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new CriError(method, 'CANCELLED', 'cancelled before it was sent'));
      const timeoutMs = unbounded.has(method)
        ? Number.POSITIVE_INFINITY
        : slow.has(method)
          ? slowMs
          : quickMs;
      const abort = () => pending.cancel();
      const pending = client.makeUnaryRequest(
        `/${service}/${rpc}`,
        (value: object) => asBuffer(criCodec.encode(requestType, value)),
        (bytes: Buffer) => criCodec.decode(responseType, bytes),
        request,
        noMetadata,
        { deadline: timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : Date.now() + timeoutMs },
        (error: ServiceError | null, response?: object) => {
          signal?.removeEventListener('abort', abort);
          if (!error) return resolve(response);
          const code = codeNames.get(error.code) ?? 'UNKNOWN';
          if (code === 'NOT_FOUND' && idempotent.has(method))
            return resolve(criCodec.create(responseType, {}));
          log.debug('CRI call failed', { method, code, error: error.details });
          reject(new CriError(method, code, error.details));
        },
      );
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  const names = Object.keys(criMethods) as CriMethod[];
  const calls = names.map((method) => [
    method,
    (request: object, signal?: AbortSignal) => call(method, request, signal),
  ]);
  return {
    ...(Object.fromEntries(calls) as unknown as ContainerRuntime),
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}

const asBuffer = (bytes: Uint8Array<ArrayBuffer>): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
