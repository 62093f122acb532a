// Names that a kustomization changes: their hashes, who refers to them, and the order of objects.
import type { AnyObject } from '../../machinery/meta.ts';
import { podTemplateOf } from '../commands/pod-spec.ts';
import { goJson } from '../printers/go-values.ts';
import type { Item } from './build.ts';

/** Kinds of the cluster as a whole, as far as they are built in; all others are taken to be namespaced. */
const clusterKinds = new Set(
  [
    'APIService ClusterRole ClusterRoleBinding ClusterTrustBundle CSIDriver CSINode CertificateSigningRequest',
    'CustomResourceDefinition DeviceClass FlowSchema IPAddress IngressClass MutatingAdmissionPolicy',
    'MutatingAdmissionPolicyBinding MutatingWebhookConfiguration Namespace Node PersistentVolume PriorityClass',
    'PriorityLevelConfiguration ResourceSlice RuntimeClass ServiceCIDR StorageClass ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration VolumeAttachment VolumeAttributesClass',
  ].flatMap((line) => line.split(' ')),
);
export const clusterScoped = ({ kind }: AnyObject): boolean => clusterKinds.has(kind!);

/** Appends ten characters of the hash of the content (of all but the name), so that other content is another object. */
export async function hashed(item: Item): Promise<void> {
  const { kind, metadata, data, binaryData, type } = item.object;
  const content =
    kind === 'Secret'
      ? { data: data ?? '', kind, name: '', type }
      : { ...(binaryData ? { binaryData } : {}), data: data ?? '', kind, name: '' };
  const bytes = new TextEncoder().encode(goJson(content));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const hex = [...digest.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  // Letters and digits that make no words, as in all names of Kubernetes.
  const safe: Record<string, string> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };
  const name = `${metadata.name}-${hex.replace(/[013ae]/g, (c) => safe[c]!)}`;
  metadata.name = name;
  item.names.push(name);
}

type Visit = (holder: any, field: string, kind: string) => void;

function visitPod(spec: any, visit: Visit): void {
  if (!spec) return;
  visit(spec, 'serviceAccountName', 'ServiceAccount');
  visit(spec, 'serviceAccount', 'ServiceAccount');
  visit(spec, 'priorityClassName', 'PriorityClass');
  for (const secret of spec.imagePullSecrets ?? []) visit(secret, 'name', 'Secret');
  for (const volume of spec.volumes ?? []) {
    visit(volume.configMap, 'name', 'ConfigMap');
    visit(volume.secret, 'secretName', 'Secret');
    visit(volume.persistentVolumeClaim, 'claimName', 'PersistentVolumeClaim');
    for (const source of volume.projected?.sources ?? []) {
      visit(source.configMap, 'name', 'ConfigMap');
      visit(source.secret, 'name', 'Secret');
    }
  }
  for (const list of ['containers', 'initContainers', 'ephemeralContainers'])
    for (const container of spec[list] ?? []) {
      for (const { valueFrom } of container.env ?? []) {
        visit(valueFrom?.configMapKeyRef, 'name', 'ConfigMap');
        visit(valueFrom?.secretKeyRef, 'name', 'Secret');
      }
      for (const from of container.envFrom ?? []) {
        visit(from.configMapRef, 'name', 'ConfigMap');
        visit(from.secretRef, 'name', 'Secret');
      }
    }
}

function visitReferences(object: AnyObject, visit: Visit): void {
  const { kind, spec } = object;
  visitPod(podTemplateOf(object)?.spec, visit);
  switch (kind) {
    case 'StatefulSet':
      visit(spec, 'serviceName', 'Service');
      for (const claim of spec?.volumeClaimTemplates ?? [])
        visit(claim.spec, 'storageClassName', 'StorageClass');
      break;
    case 'PersistentVolumeClaim':
      visit(spec, 'volumeName', 'PersistentVolume');
      visit(spec, 'storageClassName', 'StorageClass');
      break;
    case 'PersistentVolume':
      visit(spec, 'storageClassName', 'StorageClass');
      break;
    case 'HorizontalPodAutoscaler':
      visit(spec?.scaleTargetRef, 'name', spec?.scaleTargetRef?.kind);
      break;
    case 'Ingress':
      visit(spec, 'ingressClassName', 'IngressClass');
      for (const tls of spec?.tls ?? []) visit(tls, 'secretName', 'Secret');
      visit(spec?.defaultBackend?.service, 'name', 'Service');
      for (const rule of spec?.rules ?? [])
        for (const path of rule.http?.paths ?? []) visit(path.backend?.service, 'name', 'Service');
      break;
    case 'ServiceAccount':
      for (const secret of [...(object.secrets ?? []), ...(object.imagePullSecrets ?? [])])
        visit(secret, 'name', 'Secret');
      break;
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      visit(object.roleRef, 'name', object.roleRef?.kind);
      for (const subject of object.subjects ?? [])
        if (subject.kind === 'ServiceAccount') visit(subject, 'name', 'ServiceAccount');
      break;
    case 'APIService':
      visit(spec?.service, 'name', 'Service');
      break;
    case 'MutatingWebhookConfiguration':
    case 'ValidatingWebhookConfiguration':
      for (const webhook of object.webhooks ?? []) visit(webhook.clientConfig?.service, 'name', 'Service');
      break;
  }
}

/** Whoever names an object by a name that it had names it as it is called now. */
export function renameReferences(items: Item[]): void {
  for (const { object } of items)
    visitReferences(object, (holder, field, kind) => {
      const name = holder?.[field];
      if (typeof name !== 'string') return;
      const near = (item: Item): boolean =>
        (item.object.metadata.namespace ?? '') === (object.metadata.namespace ?? '');
      const meant = items.filter((item) => item.object.kind === kind && item.names.includes(name));
      const found = meant.find(near) ?? (meant.length === 1 ? meant[0] : undefined);
      if (!found) return;
      holder[field] = found.object.metadata.name;
      // A subject says its namespace too.
      const { namespace } = found.object.metadata;
      if (holder.kind === 'ServiceAccount' && namespace) holder.namespace = namespace;
    });
}

const first = [
  'Namespace ResourceQuota StorageClass CustomResourceDefinition ServiceAccount PodSecurityPolicy Role ClusterRole',
  'RoleBinding ClusterRoleBinding ConfigMap Secret Endpoints Service LimitRange PriorityClass PersistentVolume',
  'PersistentVolumeClaim Deployment StatefulSet CronJob PodDisruptionBudget',
].flatMap((line) => line.split(' '));
const last = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

const rank = ({ kind }: AnyObject): number => {
  const early = first.indexOf(kind!);
  return early >= 0 ? early - first.length : last.indexOf(kind!) + 1;
};

/** What others need comes first, as kustomize orders it; as they came where `fifo`. */
export function inOrder(objects: AnyObject[], fifo: boolean): AnyObject[] {
  if (fifo) return objects;
  const key = ({ apiVersion = '', kind, metadata }: AnyObject): string =>
    [apiVersion, kind, metadata.namespace ?? '', metadata.name].join('\0');
  return objects.toSorted((a, b) => rank(a) - rank(b) || (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
