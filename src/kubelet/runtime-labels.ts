// What the kubelet writes on sandboxes and containers, so that it knows them again after a restart.
// The keys are upstream's: tools look for them, and so does a kubelet that takes over.
import type { Pod } from '../api/core/v1.gen.ts';
import type { AnyContainer } from './pod-spec.ts';

const podName = 'io.kubernetes.pod.name';
const podNamespace = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
const containerName = 'io.kubernetes.container.name';

const hashKey = 'io.kubernetes.container.hash';
const restartCountKey = 'io.kubernetes.container.restartCount';
const messagePathKey = 'io.kubernetes.container.terminationMessagePath';
const messagePolicyKey = 'io.kubernetes.container.terminationMessagePolicy';
const preStopKey = 'io.kubernetes.container.preStopHandler';
const portsKey = 'io.kubernetes.container.ports';
const deletionGraceKey = 'io.kubernetes.pod.deletionGracePeriod';
const terminationGraceKey = 'io.kubernetes.pod.terminationGracePeriod';

type Labels = Readonly<Record<string, string>>;

/** Who a container is, read back from its labels and annotations. */
export interface ContainerIdentity {
  podName: string;
  podNamespace: string;
  podUid: string;
  name: string;
  hash: string;
  restartCount: number;
  terminationMessagePath: string;
  terminationMessagePolicy: string;
  /** As the spec had them: enough to stop it in order when its pod is gone from the API. */
  preStop?: NonNullable<NonNullable<AnyContainer['lifecycle']>['preStop']>;
  ports?: AnyContainer['ports'];
  graceSeconds?: number;
}

/** FNV-1a, 32 bits, over UTF-8, as hex. */
export function fnv(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

/** Only name and image: these are what may change in a container that has to restart for it. */
export const containerHash = (container: AnyContainer): string =>
  fnv(JSON.stringify({ image: container.image ?? '', name: container.name }));

export const podLabels = (pod: Pod): Record<string, string> => ({
  ...pod.metadata.labels,
  [podName]: pod.metadata.name!,
  [podNamespace]: pod.metadata.namespace!,
  [podUidLabel]: pod.metadata.uid!,
});

export const podAnnotations = (pod: Pod): Record<string, string> => ({ ...pod.metadata.annotations });

export const containerLabels = (pod: Pod, container: AnyContainer): Record<string, string> => ({
  [podName]: pod.metadata.name!,
  [podNamespace]: pod.metadata.namespace!,
  [podUidLabel]: pod.metadata.uid!,
  [containerName]: container.name,
});

export function containerAnnotations(
  pod: Pod,
  container: AnyContainer,
  restartCount: number,
): Record<string, string> {
  const grace = pod.spec!.terminationGracePeriodSeconds;
  const deletionGrace = pod.metadata.deletionGracePeriodSeconds;
  const preStop = container.lifecycle?.preStop;
  return {
    [hashKey]: containerHash(container),
    [restartCountKey]: String(restartCount),
    [messagePathKey]: container.terminationMessagePath ?? '',
    [messagePolicyKey]: container.terminationMessagePolicy ?? '',
    ...(grace !== undefined ? { [terminationGraceKey]: String(grace) } : {}),
    ...(deletionGrace !== undefined ? { [deletionGraceKey]: String(deletionGrace) } : {}),
    ...(preStop ? { [preStopKey]: JSON.stringify(preStop) } : {}),
    ...(container.ports?.length ? { [portsKey]: JSON.stringify(container.ports) } : {}),
  };
}

const parsed = (text: string | undefined): any => {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    // Written by another kubelet in a form of its own: the container is then stopped without its hook.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;

export function readIdentity(labels: Labels, annotations: Labels): ContainerIdentity {
  return {
    podName: labels[podName] ?? '',
    podNamespace: labels[podNamespace] ?? '',
    podUid: labels[podUidLabel] ?? '',
    name: labels[containerName] ?? '',
    hash: annotations[hashKey] ?? '',
    restartCount: whole(annotations[restartCountKey]) ?? 0,
    terminationMessagePath: annotations[messagePathKey] ?? '',
    terminationMessagePolicy: annotations[messagePolicyKey] ?? '',
    preStop: parsed(annotations[preStopKey]),
    ports: parsed(annotations[portsKey]),
    graceSeconds: whole(annotations[deletionGraceKey]) ?? whole(annotations[terminationGraceKey]),
  };
}
