import { pods } from '../../api/core/pod.ts';
import type { Container, EphemeralContainer, Pod } from '../../api/core/v1.gen.ts';
import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import type { PolicyRule } from '../../api/rbac/v1.gen.ts';
import type { Caches } from '../cache/caches.ts';
import type { User } from '../context.ts';
import { type Attributes, allows } from './rbac.ts';

const prefix = 'system:node:';
const none: ReadonlyMap<string, Pod> = new Map();

/** The node that a user is; undefined for everybody else. */
export const nodeOf = (user: User): string | undefined =>
  user.name.startsWith(prefix) && user.groups.includes('system:nodes')
    ? user.name.slice(prefix.length)
    : undefined;

/** What nodes may read only where one of their pods names it. */
const guarded = new Set(['secrets', 'configmaps', 'persistentvolumeclaims']);

/**
 * A node may what the role system:node says, but of secrets, config maps and claims only those that pods bound to it name,
 * and tokens only of the service accounts of such pods. Source: "Using Node Authorization".
 */
export class NodeAuthorizer {
  readonly #caches: Caches;
  #byNode: Map<string, Map<string, Pod>> | undefined;

  constructor(caches: Caches) {
    this.#caches = caches;
  }

  authorize(a: Attributes, node: string): boolean {
    const role = this.#caches.of(clusterRoles)?.get('/registry/clusterroles/system:node')?.object;
    if (!((role?.rules as PolicyRule[]) ?? []).some((rule) => allows(rule, a))) return false;
    if (a.path !== undefined || a.group) return true;
    if (a.resource === 'serviceaccounts' && a.subresource === 'token')
      return this.#some(node, a.namespace, ({ spec }) => spec.serviceAccountName === a.name);
    if (!guarded.has(a.resource!) || a.subresource) return true;
    if (!a.name || !a.namespace) return false;
    return this.#some(node, a.namespace, (pod) => names(pod, a.resource!, a.name!));
  }

  #some(node: string, namespace: string | undefined, is: (pod: Pod) => boolean): boolean {
    this.#byNode ??= this.#index();
    for (const pod of (this.#byNode.get(node) ?? none).values())
      if (pod.metadata.namespace === namespace && is(pod)) return true;
    return false;
  }

  #index(): Map<string, Map<string, Pod>> {
    const byNode = new Map<string, Map<string, Pod>>();
    const cache = this.#caches.of(pods);
    const put = (key: string, pod: Pod) => {
      const { nodeName } = pod.spec;
      if (!nodeName) return;
      const own = byNode.get(nodeName) ?? new Map<string, Pod>();
      byNode.set(nodeName, own.set(key, pod));
    };
    for (const [key, entry] of cache?.entries.entries() ?? []) put(key, entry.object as Pod);
    cache?.watch(cache.revision, ({ entry, deleted }) => {
      const pod = entry.object as Pod;
      if (!deleted) return put(entry.key, pod);
      const own = byNode.get(pod.spec.nodeName ?? '');
      own?.delete(entry.key);
      if (own?.size === 0) byNode.delete(pod.spec.nodeName!);
    });
    return byNode;
  }
}

/** Whether a pod names a secret, a config map or a claim. */
function names(pod: Pod, resource: string, name: string): boolean {
  const { spec, metadata } = pod;
  const volumes = spec.volumes ?? [];
  if (resource === 'persistentvolumeclaims') {
    return volumes.some(
      (v) =>
        v.persistentVolumeClaim?.claimName === name || (v.ephemeral && `${metadata.name}-${v.name}` === name),
    );
  }
  const secret = resource === 'secrets';
  if (secret && spec.imagePullSecrets?.some((s) => s.name === name)) return true;
  const containers: (Container | EphemeralContainer)[] = [
    ...spec.containers,
    ...(spec.initContainers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ];
  const byVariable = containers.some(
    (c) =>
      c.env?.some(
        ({ valueFrom: from }) => (secret ? from?.secretKeyRef : from?.configMapKeyRef)?.name === name,
      ) || c.envFrom?.some((from) => (secret ? from.secretRef : from.configMapRef)?.name === name),
  );
  if (byVariable) return true;
  return volumes.some((v) => {
    if (v.projected?.sources?.some((s) => (secret ? s.secret : s.configMap)?.name === name)) return true;
    if (!secret) return v.configMap?.name === name;
    if (v.secret?.secretName === name) return true;
    const driver =
      v.csi?.nodePublishSecretRef ?? v.iscsi?.secretRef ?? v.rbd?.secretRef ?? v.cephfs?.secretRef;
    return driver?.name === name || v.flexVolume?.secretRef?.name === name;
  });
}
