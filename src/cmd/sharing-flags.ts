// Flags of API servers of which there are several. Source: "kube-apiserver", Options.
import { isIP } from 'node:net';
import { preferredAddressTypes } from '../apiserver/node/streams/kubelet-https.ts';
import type { ApiServerSettings, KubeletSettings, SharingSettings } from '../cluster/api-settings.ts';
import { UserError } from './command.ts';

export const sharingFlags = [
  {
    name: 'advertise-address',
    value: 'IP',
    help: 'where others reach this server: an endpoint of the Service kubernetes (default: an address of this machine)',
  },
  {
    name: 'endpoint-reconciler-type',
    value: 'lease|none',
    help: 'whether the endpoints of the Service kubernetes are kept',
    default: 'lease',
  },
  {
    name: 'cert-dir',
    value: 'DIR',
    help: 'what all servers of a cluster have in common: ca.crt, ca.key, sa.key, front-proxy-ca.crt, front-proxy-ca.key; made when missing (default: pki in the data directory)',
  },
  {
    name: 'client-ca-file',
    value: 'FILE',
    help: 'a further authority of client certificates',
  },
  {
    name: 'tls-cert-file',
    value: 'FILE',
    help: 'its own certificate, with those between it and its authority',
  },
  { name: 'tls-private-key-file', value: 'FILE', help: 'the key of that certificate' },
  {
    name: 'service-account-issuer',
    value: 'URLS',
    help: 'who issues tokens; those of further ones, after commas, are believed (default: https://kubernetes.default.svc.cluster.local)',
  },
  {
    name: 'service-account-signing-key-file',
    value: 'FILE',
    help: 'the key that tokens are signed with (default: sa.key)',
  },
  {
    name: 'service-account-key-file',
    value: 'FILES',
    help: 'keys of tokens that are believed, too, with commas between',
  },
  { name: 'event-ttl', value: 'DURATION', help: 'how long events are kept', default: '1h' },
  {
    name: 'kubelet-client-certificate',
    value: 'FILE',
    help: 'what it shows of itself to kubelets (default: one of its own)',
  },
  { name: 'kubelet-client-key', value: 'FILE', help: 'the key of that certificate' },
  {
    name: 'kubelet-certificate-authority',
    value: 'FILE',
    help: 'authority of the certificates of kubelets; without it, they are believed',
  },
  {
    name: 'kubelet-preferred-address-types',
    value: 'TYPES',
    help: 'which of the addresses of a node leads to its kubelet',
    default: preferredAddressTypes.join(','),
  },
  { name: 'etcd-cafile', value: 'FILE', help: "authority of etcd's certificates" },
  { name: 'etcd-certfile', value: 'FILE', help: 'certificate that etcd knows this server by' },
  { name: 'etcd-keyfile', value: 'FILE', help: 'its key' },
];

interface Reader {
  text(name: string): string | undefined;
  /** Throws when there is no such file. */
  file(name: string): string | undefined;
  duration(name: string): number;
}

/** Reads them. Throws a UserError that says which is wrong. */
export function sharingSettings(
  read: Reader,
): Required<Pick<ApiServerSettings, 'sharing' | 'kubelet' | 'eventTtlMs'>> {
  const { text, file, duration } = read;
  const pair = (certificate: string, key: string): { certFile: string; keyFile: string } | undefined => {
    const [certFile, keyFile] = [file(certificate), file(key)];
    if (certFile && keyFile) return { certFile, keyFile };
    if (certFile || keyFile) throw new UserError(`--${certificate} and --${key} go together.`, 2);
    return undefined;
  };
  const list = (name: string): string[] => (text(name) ?? '').split(',').filter(Boolean);
  const some = <K extends string, V>(name: K, value: V | undefined) =>
    (value === undefined ? {} : { [name]: value }) as { [name in K]?: V };
  const address = text('advertise-address');
  if (address !== undefined && !isIP(address))
    throw new UserError(`--advertise-address takes an IP address, not "${address}".`, 2);
  const endpointReconciler = text('endpoint-reconciler-type');
  if (endpointReconciler !== 'lease' && endpointReconciler !== 'none')
    throw new UserError(
      `--endpoint-reconciler-type takes "lease" or "none", not "${endpointReconciler}".`,
      2,
    );
  const sharing: SharingSettings = {
    endpointReconciler,
    ...some('advertiseAddress', address),
    ...some('certDir', text('cert-dir')),
    ...some('clientCAFile', file('client-ca-file')),
    ...some('serving', pair('tls-cert-file', 'tls-private-key-file')),
    issuers: list('service-account-issuer'),
    ...some('signingKeyFile', file('service-account-signing-key-file')),
    keyFiles: list('service-account-key-file'),
    etcd: {
      ...some('caFile', file('etcd-cafile')),
      ...some('certFile', file('etcd-certfile')),
      ...some('keyFile', file('etcd-keyfile')),
    },
  };
  const kubelet: KubeletSettings = {
    ...some('client', pair('kubelet-client-certificate', 'kubelet-client-key')),
    ...some('caFile', file('kubelet-certificate-authority')),
    addressTypes: list('kubelet-preferred-address-types'),
  };
  const wrong = kubelet.addressTypes?.find((type) => !preferredAddressTypes.includes(type));
  if (wrong) throw new UserError(`--kubelet-preferred-address-types: there is no "${wrong}".`, 2);
  return { sharing, kubelet, eventTtlMs: duration('event-ttl') };
}
