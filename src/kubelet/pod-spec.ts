// Questions about a pod's spec that many parts of the kubelet ask.
import type { Container, EphemeralContainer, Pod } from '../api/core/v1.gen.ts';

/** What the kubelet runs: regular, init and ephemeral containers have the same shape where it matters. */
export type AnyContainer = Container | EphemeralContainer;
export type ContainerKind = 'container' | 'init' | 'ephemeral';

/** An init container that keeps running beside the regular ones. */
export const isSidecar = (container: AnyContainer): boolean => container.restartPolicy === 'Always';

export const isHostNetwork = (pod: Pod): boolean => pod.spec?.hostNetwork === true;

export const initContainersOf = (pod: Pod): Container[] => pod.spec!.initContainers ?? [];
export const ephemeralContainersOf = (pod: Pod): EphemeralContainer[] => pod.spec!.ephemeralContainers ?? [];

export const hasSidecar = (pod: Pod): boolean => initContainersOf(pod).some(isSidecar);

/** Every container with its kind, in the order in which they start. */
export function* allContainers(pod: Pod): Iterable<[AnyContainer, ContainerKind]> {
  for (const container of initContainersOf(pod)) yield [container, 'init'];
  for (const container of pod.spec!.containers) yield [container, 'container'];
  for (const container of ephemeralContainersOf(pod)) yield [container, 'ephemeral'];
}

export function findContainer(pod: Pod, name: string): AnyContainer | undefined {
  for (const [container] of allContainers(pod)) if (container.name === name) return container;
  return undefined;
}

/** Where an event about a container points: `spec.containers{web}`. */
export function containerFieldPath(pod: Pod, name: string): string | undefined {
  for (const [container, kind] of allContainers(pod)) {
    if (container.name !== name) continue;
    const list = { container: 'containers', init: 'initContainers', ephemeral: 'ephemeralContainers' }[kind];
    return `spec.${list}{${name}}`;
  }
  return undefined;
}

/** `name_namespace(uid)`: how messages of back-off name a pod. */
export const podText = (pod: Pod): string =>
  `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;

export const isTerminalPhase = (phase: string | undefined): boolean =>
  phase === 'Succeeded' || phase === 'Failed';

/** Seconds of grace for a pod that is being stopped, never negative. */
export const graceSecondsOf = (pod: Pod): number =>
  Math.max(0, pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30);

/** A port given by number or by the name of one of the container's ports. Throws when there is none. */
export function resolvePort(port: number | string, container: AnyContainer): number {
  const named = container.ports?.find(({ name }) => name !== undefined && name === port);
  const number = named ? named.containerPort : Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65536) return number;
  throw new Error(
    typeof port === 'string' && Number.isNaN(number)
      ? `couldn't find port: ${port}`
      : `invalid port number: ${port}`,
  );
}
