import { nodes } from '../../api/core/node.ts';
import type { Container, Pod } from '../../api/core/v1.gen.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import { badRequest, notFound, StatusError } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import { getStored, keyFor } from '../registry/read.ts';
import { cacheOf } from '../registry/registry.ts';
import type { ApiServer } from '../server.ts';
import type { KubeletConnection, KubeletConnections } from './kubelet-connection.ts';

const defaultContainer = 'kubectl.kubernetes.io/default-container';

/** All that run in it, in the order in which messages name them. */
const containersOf = ({ spec }: Pod): Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
  ...((spec.ephemeralContainers ?? []) as Container[]),
];

/** The pod that a request names. Throws 404. */
export const podOf = (server: ApiServer, context: Context): Pod =>
  getStored(cacheOf(server.registry, context), { ...context, options: {} }).object as unknown as Pod;

/** The container meant: as asked, the one that there is, or the one that the pod says is its default. Throws 400. */
export function containerOf(pod: Pod, asked: string): Container {
  const all = containersOf(pod);
  const { name } = pod.metadata;
  if (asked) {
    const found = all.find((c) => c.name === asked);
    if (!found) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return found;
  }
  if (pod.spec.containers.length === 1) return pod.spec.containers[0]!;
  const marked = all.find((c) => c.name === pod.metadata.annotations?.[defaultContainer]);
  if (marked) return marked;
  const names = all.map((c) => c.name).join(' ');
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names}]`);
}

/** The kubelet of a node. Throws 404 when there is no such node, 503 when its kubelet is not connected. */
export function kubeletOf(server: ApiServer, kubelets: KubeletConnections, node: string): KubeletConnection {
  const kubelet = kubelets.find(node);
  if (kubelet) return kubelet;
  if (!stored(server, nodes, undefined, node)) throw notFound(nodes, node);
  throw new StatusError(503, 'ServiceUnavailable', `no connection to the kubelet of node "${node}"`);
}

/** The kubelet of a pod's node. Throws 400 while the pod has none. */
export function podKubelet(server: ApiServer, kubelets: KubeletConnections, pod: Pod): KubeletConnection {
  const { nodeName } = pod.spec;
  if (!nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return kubeletOf(server, kubelets, nodeName);
}

/** An object as the cache has it. */
export function stored<T extends KubeObject>(
  server: ApiServer,
  kind: Kind<T>,
  namespace: string | undefined,
  name: string,
): T | undefined {
  const cache = server.registry.caches.of(kind);
  return cache?.get(keyFor(cache, namespace, name))?.object as T | undefined;
}
