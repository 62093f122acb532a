// What the kubelet keeps of one pod while it looks after it.
import type { Pod, Secret } from '../api/core/v1.gen.ts';
import type { StartFailure } from './container-status.ts';
import type { DownwardFacts } from './downward-api.ts';
import type { Images } from './images.ts';
import type { Parts, PodName } from './kubelet-parts.ts';
import type { Prober } from './prober.ts';
import type { Allocation, Amounts } from './resize.ts';
import type { RuntimeView } from './runtime-view.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';
import type { TokenSource } from './volumes/service-account-token.ts';
import type { PlanInput } from './volumes/volume-plan.ts';

export interface PodContext {
  parts: Parts;
  name: PodName;
  images: Images;
  view: RuntimeView;
  prober: Prober;
  tokens: TokenSource;
  volumes: PodVolumes;
  /** Why containers could not be started the last time, by name. */
  failures: Map<string, StartFailure>;
  /** What running containers' cgroups were last given, by name. */
  actuated: Map<string, Amounts>;
  /** What the node has granted. */
  allocation: Allocation;
}

export const pullSecretsOf = (parts: Parts, pod: Pod): Secret[] =>
  (pod.spec!.imagePullSecrets ?? []).flatMap(({ name }) => {
    const secret = name ? parts.objects.of(pod.metadata.namespace!).secret(name) : undefined;
    return secret ? [secret] : [];
  });

export const downwardFacts = (parts: Parts, pod: Pod, podIPs: string[]): DownwardFacts => ({
  pod,
  podIPs: podIPs.length || !pod.spec!.hostNetwork ? podIPs : parts.config.nodeIPs,
  hostIPs: parts.config.nodeIPs,
  allocatable: parts.node()?.status?.allocatable ?? {},
});

export const planInput = ({ parts, tokens }: PodContext, pod: Pod, podIPs: string[]): PlanInput => ({
  pod,
  facts: downwardFacts(parts, pod, podIPs),
  objects: parts.objects.of(pod.metadata.namespace!),
  tokens,
  client: parts.client,
});
