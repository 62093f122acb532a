// Hooks that run when a container has started or is about to be stopped.
// https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
import type { LifecycleHandler } from '../api/core/v1.gen.ts';
import { sleep } from '../machinery/clock.ts';
import { cri } from './cri-calls.ts';
import type { Parts, PodName } from './kubelet-parts.ts';
import type { AnyContainer } from './pod-spec.ts';
import { resolvePort } from './pod-spec.ts';

const decoder = new TextDecoder();
/** A hook over HTTP has no time limit of its own but the grace period; this one keeps sockets from staying for ever. */
const httpTimeoutMs = 3_600_000;

/** Runs a hook to its end; throws what it failed with. `podIP` is where HTTP hooks go that name no host. */
export async function runHook(
  parts: Parts,
  pod: PodName,
  container: Pick<AnyContainer, 'name' | 'ports'>,
  containerId: string,
  hook: LifecycleHandler,
  podIP: string,
  signal?: AbortSignal,
): Promise<void> {
  if (hook.exec) {
    const cmd = hook.exec.command ?? [];
    const { exitCode, stdout, stderr } = await cri(
      parts,
      pod,
      'execSync',
      { containerId, cmd, timeout: 0 },
      signal,
    );
    if (exitCode === 0) return;
    const output = decoder.decode(stdout) + decoder.decode(stderr);
    throw new Error(`command '${cmd.join(' ')}' exited with ${exitCode}: ${output}`);
  }
  if (hook.sleep) return sleep(parts.clock, hook.sleep.seconds * 1000, signal);
  if (hook.httpGet) {
    const { host, port, path = '/', scheme = 'HTTP', httpHeaders = [] } = hook.httpGet;
    const probe = {
      scheme: scheme.toLowerCase() as 'http' | 'https',
      host: host || podIP,
      port: resolvePort(port, container as AnyContainer),
      path,
      headers: httpHeaders,
      timeoutMs: httpTimeoutMs,
      agent: 'kube-lifecycle',
    };
    const { result, output } = await parts.host.httpProbe(probe);
    // Only a request that got no answer has failed: the status does not matter.
    if (result === 'failure' && !output.startsWith('HTTP probe failed with statuscode'))
      throw new Error(output);
    return;
  }
  throw new Error('invalid handler: it says nothing that can be run');
}
