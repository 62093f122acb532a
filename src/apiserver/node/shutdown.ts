import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '../server.ts';
import type { HttpsServer } from './https-server.ts';

export interface Shutdown {
  server: ApiServer;
  https: readonly HttpsServer[];
  /** Ends watches. */
  closing: AbortController;
  /** How long the server goes on as before, but says that it is not ready: load balancers see it in that time. */
  delayMs: number;
  /** How long requests that are under way may take. */
  limitMs?: number;
}

/** As long as a request may take. */
const requestMs = 60_000;

/**
 * Ends an API server so that no client sees a request fail: not ready, then no new connections, then what is under way is
 * finished, watches end as they do when their time is over. Source: "kube-apiserver", --shutdown-delay-duration.
 */
export async function shutDown({
  server,
  https,
  closing,
  delayMs,
  limitMs = requestMs,
}: Shutdown): Promise<void> {
  server.phase = 'leaving';
  if (delayMs) await sleep(delayMs);
  server.phase = 'draining';
  const { inFlight } = server.metrics.requests;
  const idle = () => inFlight.readOnly.current + inFlight.mutating.current === 0;
  const drained = Promise.all(https.map((one) => one.drain(idle, limitMs)));
  closing.abort();
  await drained;
}
