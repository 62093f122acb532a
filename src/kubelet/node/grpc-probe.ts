// The gRPC health check: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { messageCodec } from '../../machinery/protobuf/message.ts';
import { goDuration } from '../backoff.ts';
import type { ProbeResult } from '../host.ts';

const codec = messageCodec({
  HealthCheckRequest: { service: [1, 'string'] },
  HealthCheckResponse: { status: [1, 'enum'] },
});
const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const serving = 1;
const failure = (output: string): ProbeResult => ({ result: 'failure', output });

export function grpcProbe(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<ProbeResult> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.primary_user_agent': 'kube-probe/1.36',
    'grpc.enable_http_proxy': 0,
    // A channel of its own: a shared one would wait with a new try after a failure.
    'grpc.use_local_subchannel_pool': 1,
  });
  const deadline = Date.now() + timeoutMs;
  return new Promise<ProbeResult>((resolve) => {
    client.waitForReady(deadline, (unready) => {
      if (unready) {
        const text = `timeout: failed to connect service "${address}" within ${goDuration(timeoutMs)}: context deadline exceeded`;
        resolve(failure(text));
        return;
      }
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (request: { service: string }) => Buffer.from(codec.encode('HealthCheckRequest', request)),
        (bytes: Buffer) => codec.decode('HealthCheckResponse', bytes),
        { service },
        new Metadata(),
        { deadline },
        (error, answer) => {
          if (error?.code === status.UNIMPLEMENTED) {
            const what = 'this server does not implement the grpc health protocol (grpc.health.v1.Health)';
            resolve(failure(`error: ${what}: ${error.details}`));
          } else if (error?.code === status.DEADLINE_EXCEEDED)
            resolve(failure(`timeout: health rpc did not complete within ${goDuration(timeoutMs)}`));
          else if (error) resolve(failure(`error: health rpc probe failed: ${error.message}`));
          else if (answer?.status !== serving)
            resolve(failure(`service unhealthy (responded with "${statuses[answer?.status ?? 0]}")`));
          else resolve({ result: 'success', output: 'service healthy' });
        },
      );
    });
  }).finally(() => client.close());
}
