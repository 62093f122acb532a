// What whole-flow tests need beside a control plane.
import { pods } from '../api/core/pod.ts';
import type { Pod } from '../api/core/v1.gen.ts';
import { isNotFound } from '../machinery/status.ts';
import type { ControlPlane } from '../testing/control-plane.ts';

/** Waits until something is so; fails after ten seconds with what was waited for. */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  limitMs = 10_000,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`timed out waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Stands in for all kubelets: pods run and are ready at once, and go when they are deleted. Returns what stops it. */
export function runPods(
  { client, informers }: ControlPlane,
  options: { unscheduled?: boolean } = {},
): () => void {
  const { unscheduled = true } = options;
  let address = 1;
  const act = async (pod: Pod): Promise<void> => {
    const { name, namespace, uid, deletionTimestamp } = pod.metadata;
    if (!unscheduled && !pod.spec.nodeName) return;
    try {
      if (deletionTimestamp) {
        await client(pods).delete(name!, { namespace, gracePeriodSeconds: 0, preconditions: { uid } });
      } else if (!pod.status?.phase || pod.status.phase === 'Pending') {
        const ip = `10.1.${address >> 8}.${address++ & 255}`;
        const at = new Date().toISOString().slice(0, 19) + 'Z';
        const conditions = ['Initialized', 'ContainersReady', 'Ready'].map((type) => ({
          type,
          status: 'True',
          lastTransitionTime: at,
        }));
        const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: at, conditions };
        await client(pods).patch(name!, { status }, { namespace, type: 'strategic', subresource: 'status' });
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };
  return informers(pods).on({ add: (pod) => void act(pod), update: (pod) => void act(pod) });
}
