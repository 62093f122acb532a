import { serviceAccounts } from '../../api/core/service-account.ts';
import type { Container, Pod, ServiceAccount } from '../../api/core/v1.gen.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import { randomSuffix } from '../registry/metadata.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Every pod runs as a service account, and finds its token where clients look for it. */
export const serviceAccount = (caches: Caches, random: () => number): AdmissionPlugin => ({
  name: 'ServiceAccount',
  on: ({ context, operation, subresource }) =>
    operation === 'CREATE' && context.plural === 'pods' && context.served.kind.group === '' && !subresource,
  mutate({ object, context }) {
    const pod = object as Pod;
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror']) return;
    const spec = pod.spec;
    const name = spec.serviceAccountName || spec.serviceAccount || 'default';
    spec.serviceAccountName = spec.serviceAccount = name;
    const account = caches
      .of(serviceAccounts)
      ?.get(`/registry/serviceaccounts/${pod.metadata.namespace}/${name}`)?.object as ServiceAccount;
    if (!account) {
      throw forbidden(
        context.served.kind,
        pod.metadata.name ?? '',
        `error looking up service account ${pod.metadata.namespace}/${name}: serviceaccount "${name}" not found`,
      );
    }
    if (account.imagePullSecrets?.length && !spec.imagePullSecrets?.length) {
      spec.imagePullSecrets = account.imagePullSecrets.map((s) => ({ ...s }));
    }
    if ((spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) === false) return;
    mountToken(pod, random);
  },
});

function mountToken(pod: Pod, random: () => number): void {
  const { spec } = pod;
  const containers: Container[] = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const lacking = containers.filter((c) => !c.volumeMounts?.some((m) => m.mountPath === mountPath));
  if (!lacking.length) return;
  const name =
    spec.volumes?.find((v) => v.name?.startsWith('kube-api-access-') && v.projected)?.name ??
    `kube-api-access-${randomSuffix(random)}`;
  for (const container of lacking) (container.volumeMounts ??= []).push({ name, readOnly: true, mountPath });
  if (spec.volumes?.some((v) => v.name === name)) return;
  (spec.volumes ??= []).push({
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  });
}
