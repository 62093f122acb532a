// The images of a simulated node. An id depends on the name only, so that every node agrees.

import { CriError, criCodec, type Image } from './cri.ts';
import { completeImageName, parseImageName } from './image-name.ts';

export interface SimulatedImages {
  all(): Image[];
  /** By name (completed), name@digest, or id. */
  find(reference: string): Image | undefined;
  pull(name: string): Image;
  remove(reference: string): void;
}

const sizeBytes = 8 << 20;

export function simulatedImages(present: readonly string[]): SimulatedImages {
  const byId = new Map<string, Image>();
  const find = (reference: string): Image | undefined => {
    const name = completeImageName(reference);
    const named = ({ repoTags, repoDigests }: Image) => repoTags.includes(name) || repoDigests.includes(name);
    return byId.get(reference) ?? byId.get(`sha256:${reference}`) ?? [...byId.values()].find(named);
  };
  const add = (text: string): Image => {
    const known = find(text);
    if (known) return known;
    const name = completeImageName(text);
    const id = idOf(name);
    const repository = name.replace(/@.*$|:[^:/]*$/, '');
    const image = criCodec.create('Image', {
      ...{ id, size: sizeBytes, repoTags: name.includes('@') ? [] : [name] },
      repoDigests: [name.includes('@') ? name : `${repository}@${id}`],
    });
    byId.set(id, image);
    return image;
  };
  for (const name of present) add(name);
  return {
    find,
    all: () => [...byId.values()],
    pull(text) {
      const name = parseImageName(text);
      if (!name) throw new CriError('pullImage', 'INVALID_ARGUMENT', `invalid image name "${text}"`);
      if (/(^|\.)invalid(:\d+)?$/.test(name.host)) {
        throw new CriError(
          'pullImage',
          'UNKNOWN',
          `failed to resolve reference "${text}": no such host ${name.host}`,
        );
      }
      return add(text);
    },
    remove(reference) {
      const image = find(reference);
      if (image) byId.delete(image.id);
    },
  };
}

/** 64 hex digits that look like a digest: FNV-1a with eight different starts. */
function idOf(name: string): string {
  const bytes = new TextEncoder().encode(name);
  const part = (seed: number) => {
    let hash = (0x811c9dc5 ^ seed) >>> 0;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    return hash.toString(16).padStart(8, '0');
  };
  return `sha256:${Array.from({ length: 8 }, (_, index) => part(index * 0x9e3779b1)).join('')}`;
}
