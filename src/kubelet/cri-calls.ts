import type { CriMethod, CriRequest, CriResponse } from '../cri/cri.ts';
import { CriError } from '../cri/cri.ts';
import type { Parts, PodName } from './kubelet-parts.ts';

/** A call to the runtime on behalf of a pod: it stands in the pod's trace with its duration. */
export async function cri<M extends CriMethod>(
  { runtime, clock, trace }: Pick<Parts, 'runtime' | 'clock' | 'trace'>,
  pod: PodName,
  method: M,
  request: CriRequest<M>,
  signal?: AbortSignal,
): Promise<CriResponse<M>> {
  const at = clock.now();
  let failed: string | undefined;
  try {
    return await (runtime[method] as (r: CriRequest<M>, s?: AbortSignal) => Promise<CriResponse<M>>)(
      request,
      signal,
    );
  } catch (error) {
    failed = error instanceof Error ? error.message : String(error);
    throw error;
  } finally {
    trace.record({
      at,
      step: 6,
      component: 'cri',
      event: method,
      resource: 'pods',
      namespace: pod.namespace,
      name: pod.name,
      uid: pod.uid,
      detail: { ms: Math.round((clock.now() - at) * 1000) / 1000, ...(failed ? { failed } : {}) },
    });
  }
}

const goCode = (code: string): string =>
  code.toLowerCase().replace(/(^|_)([a-z])/g, (_, _u, letter: string) => letter.toUpperCase());

/** As gRPC's Go client prints an error, which is how users know it from events. */
export const rpcText = (error: unknown): string =>
  error instanceof CriError
    ? `rpc error: code = ${goCode(error.code)} desc = ${error.message}`
    : messageOf(error);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
