import { plugin, skip } from '../framework.ts';

const MiB = 1024 * 1024;
/** Below the one, having the images is not worth caring; above the other, it cannot matter more. */
const smallBytes = 23 * MiB;
const largeBytesPerContainer = 1000 * MiB;

/** Names without a tag mean `latest`, as the runtime reports them. */
const withTag = (image: string): string =>
  image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;

interface Image {
  nodes: Set<string>;
  /** Its size, less where few nodes have it: or a node that has it would draw all pods. */
  worthBytes: number;
}

/** Likes nodes that have the images already. */
export const imageLocality = plugin<undefined, { images: Image[]; largeBytes: number }>({
  name: 'ImageLocality',
  wakeOn: [],
  preScore({ pod }, _nodes, { cache }) {
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    const total = cache.nodes.length;
    const images = containers.flatMap(({ image }) => {
      const known = image ? cache.image(withTag(image)) : undefined;
      return known ? [{ nodes: known.nodes, worthBytes: (known.sizeBytes * known.nodes.size) / total }] : [];
    });
    const most = images.reduce((sum, image) => sum + image.worthBytes, 0);
    return most > smallBytes ? { images, largeBytes: largeBytesPerContainer * containers.length } : skip;
  },
  score(_pod, node, { images, largeBytes }) {
    let bytes = 0;
    for (const image of images) if (image.nodes.has(node.name)) bytes += image.worthBytes;
    const within = Math.min(largeBytes, Math.max(smallBytes, bytes));
    return Math.floor((100 * (within - smallBytes)) / (largeBytes - smallBytes));
  },
});
