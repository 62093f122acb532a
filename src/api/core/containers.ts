import type { Container, EphemeralContainer, PodSpec } from './v1.gen.ts';

export type AnyContainer = Container | EphemeralContainer;

/** Every container with the name of its list and its place there, in the order init, main, ephemeral. */
export function* allContainers(spec: PodSpec): Generator<[AnyContainer, string, number]> {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    const containers: AnyContainer[] | undefined = spec[list];
    if (!containers) continue;
    for (let i = 0; i < containers.length; i++) yield [containers[i]!, list, i];
  }
}

/** An init container that keeps running beside the main ones. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

/** The tag of an image: `latest` when it has neither tag nor digest, '' when it has only a digest. */
export function imageTag(image: string): string {
  const [name, digest] = image.split('@', 2) as [string, string?];
  const last = name.slice(name.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  return colon >= 0 ? last.slice(colon + 1) : digest ? '' : 'latest';
}
