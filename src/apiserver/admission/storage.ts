import { ingressClasses } from '../../api/networking/ingress-class.ts';
import { storageClasses } from '../../api/storage/storage-class.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Caches } from '../cache/caches.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

const creates =
  (group: string, plural: string) =>
  ({ context, operation, subresource }: Admission): boolean =>
    operation === 'CREATE' &&
    !subresource &&
    context.plural === plural &&
    context.served.kind.group === group;

/** The newest of those that an annotation marks as default; of two as old, the first by name. */
function defaultOf(caches: Caches, kind: Kind<any>, annotation: string): string | undefined {
  let best: AnyObject | undefined;
  for (const { object } of caches.of(kind)?.entries.values() ?? []) {
    if (object.metadata.annotations?.[annotation] !== 'true') continue;
    if (!best || object.metadata.creationTimestamp! > best.metadata.creationTimestamp!) best = object;
  }
  return best?.metadata.name;
}

/** A claim that names no class gets the default one. Source: "Default StorageClass". */
export const defaultStorageClass = (caches: Caches): AdmissionPlugin => ({
  name: 'DefaultStorageClass',
  on: creates('', 'persistentvolumeclaims'),
  mutate({ object }) {
    const { spec, metadata } = object!;
    if (spec.storageClassName !== undefined) return;
    if (metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return;
    const name = defaultOf(caches, storageClasses, 'storageclass.kubernetes.io/is-default-class');
    if (name) spec.storageClassName = name;
  },
});

/** An ingress that names no class gets the default one. Source: "Default IngressClass". */
export const defaultIngressClass = (caches: Caches): AdmissionPlugin => ({
  name: 'DefaultIngressClass',
  on: creates('networking.k8s.io', 'ingresses'),
  mutate({ object }) {
    const { spec, metadata } = object!;
    if (spec.ingressClassName !== undefined || metadata.annotations?.['kubernetes.io/ingress.class']) return;
    const name = defaultOf(caches, ingressClasses, 'ingressclass.kubernetes.io/is-default-class');
    if (name) spec.ingressClassName = name;
  },
});

const protection: Record<string, string> = {
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  volumeattributesclasses: 'kubernetes.io/vac-protection',
};

/** Storage that is in use does not go before its user does. Source: "Storage Object in Use Protection". */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  on: ({ context, operation, subresource }) =>
    operation === 'CREATE' &&
    !subresource &&
    Object.hasOwn(protection, context.plural) &&
    ['', 'storage.k8s.io'].includes(context.served.kind.group),
  mutate({ object, context }) {
    const finalizer = protection[context.plural]!;
    const finalizers = (object!.metadata.finalizers ??= []);
    if (!finalizers.includes(finalizer)) finalizers.push(finalizer);
  },
};
