import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import { pods } from '../../../api/core/pod.ts';
import type { PersistentVolumeClaim, Pod } from '../../../api/core/v1.gen.ts';
import { type Action, create, event, fail } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { controllerReference } from '../ownership.ts';

type Claims = (name: string) => PersistentVolumeClaim | undefined;

/** Claims for the ephemeral volumes of pods, which live and go with them. */
export const ephemeralVolumeController = controller<Pod, Claims>({
  name: 'ephemeral-volume',
  component: 'ephemeral_volume',
  for: pods,
  watches: [
    watch(persistentVolumeClaims, ({ metadata }, _cache, { type }) => {
      const owner = type === 'delete' ? metadata.ownerReferences?.find((o) => o.controller) : undefined;
      return owner?.kind === 'Pod' ? [`${metadata.namespace}/${owner.name}`] : [];
    }),
  ],
  observe: (pod, cache) => (name) => cache.of(persistentVolumeClaims).get(name, pod.metadata.namespace),
  reconcile(pod, claims) {
    if (pod.metadata.deletionTimestamp) return [];
    return (pod.spec.volumes ?? []).flatMap(({ name, ephemeral }): Action[] => {
      const template = ephemeral?.volumeClaimTemplate;
      if (!template) return [];
      const claimName = `${pod.metadata.name}-${name}`;
      const existing = claims(claimName);
      if (existing?.metadata.ownerReferences?.some((o) => o.uid === pod.metadata.uid)) return [];
      if (existing) {
        const message = `PVC ${pod.metadata.namespace}/${claimName} was not created for pod ${pod.metadata.namespace}/${pod.metadata.name} (pod is not owner)`;
        return [event('Warning', 'FailedBinding', message), fail(new Error(message))];
      }
      const { labels, annotations } = template.metadata ?? {};
      const claim: PersistentVolumeClaim = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: {
          name: claimName,
          namespace: pod.metadata.namespace,
          ...(labels ? { labels } : {}),
          ...(annotations ? { annotations } : {}),
          ownerReferences: [controllerReference(pods, pod)],
        },
        spec: template.spec,
      };
      return [create(persistentVolumeClaims, claim)];
    });
  },
});
