import { secrets } from '../../api/core/secret.ts';
import { serviceAccounts } from '../../api/core/service-account.ts';
import type { Secret, ServiceAccount } from '../../api/core/v1.gen.ts';
import { keyOf } from '../../machinery/meta.ts';
import { remove, task, update } from '../runtime/actions.ts';
import { controller, watch } from '../runtime/controller.ts';

const accountName = 'kubernetes.io/service-account.name';
const accountUid = 'kubernetes.io/service-account.uid';
const byAccount = 'tokenSecretAccount';

const isTokenSecret = (secret: Secret): boolean => secret.type === 'kubernetes.io/service-account-token';
const accountKey = ({ metadata }: Secret): string =>
  `${metadata.namespace}/${metadata.annotations?.[accountName]}`;

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/**
 * Fills in Secrets of type `kubernetes.io/service-account-token`, and removes those whose account is gone.
 * https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
 */
export const serviceAccountTokenController = controller<Secret, ServiceAccount | undefined>({
  name: 'serviceaccount-token',
  component: 'service-account-token-controller',
  for: secrets,
  watches: [
    watch(serviceAccounts, (account, cache) =>
      cache.of(secrets).byIndex(byAccount, keyOf(account)).map(keyOf),
    ),
  ],
  indexes: ({ informers }) =>
    informers(secrets).index(byAccount, (s) => (isTokenSecret(s) ? [accountKey(s)] : [])),
  observe: (secret, cache) =>
    isTokenSecret(secret) ? cache.of(serviceAccounts).getByKey(accountKey(secret)) : undefined,
  reconcile(secret, account, _nowMs, { config }) {
    if (!isTokenSecret(secret) || secret.metadata.deletionTimestamp) return [];
    const { annotations = {} } = secret.metadata;
    if (!annotations[accountName]) return [];
    const uid = account?.metadata.uid;
    const strange = annotations[accountUid] !== undefined && annotations[accountUid] !== uid;
    if (!account || strange) return [remove(secrets, secret)];
    const { mintToken, rootCA } = config;
    const { data = {} } = secret;
    const wanted: Record<string, string> = {
      ...(rootCA ? { 'ca.crt': base64(rootCA) } : {}),
      namespace: base64(secret.metadata.namespace!),
    };
    const filled = data.token !== undefined && Object.entries(wanted).every(([k, v]) => data[k] === v);
    if (!mintToken || (filled && annotations[accountUid])) return [];
    return [
      task(async () => {
        const { namespace, name } = account.metadata;
        const of = { name: secret.metadata.name!, uid: secret.metadata.uid! };
        const token =
          data.token ?? base64(await mintToken({ namespace: namespace!, name: name!, uid: uid! }, of));
        const metadata = { ...secret.metadata, annotations: { ...annotations, [accountUid]: uid! } };
        return [update(secrets, { ...secret, metadata, data: { ...data, ...wanted, token } })];
      }),
    ];
  },
});
