// What extension servers have to know to believe us: the authorities of clients and of proxies, in a ConfigMap that all of
// them may read. Source: "Configure the Aggregation Layer", "Extension Apiserver Authorizes the Request".
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import type { ConfigMap } from '../../api/core/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { clone, equal } from '../../machinery/meta.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../machinery/status.ts';
import type { RequestHeaderTrust } from '../authn/request-header.ts';
import type { Caches } from '../cache/caches.ts';

const namespace = 'kube-system';
const name = 'extension-apiserver-authentication';

export interface AuthenticationInfo {
  clientCA?: string;
  requestHeader?: RequestHeaderTrust;
}

/** Calls `changed` when the ConfigMap may have to be written; returns what ends that. */
export function followAuthenticationInfo(caches: Caches, changed: () => void): () => void {
  const maps = caches.of(configMaps)!;
  const key = `${maps.prefix}${namespace}/${name}`;
  const places = caches.of(namespaces)!;
  const stops = [
    maps.watch(maps.revision, ({ entry }) => entry.key === key && changed()),
    places.watch(places.revision, ({ entry }) => entry.object.metadata.name === namespace && changed()),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Writes it, unless it is there or there is no place for it yet. What another server has published stays. */
export async function publishAuthenticationInfo(
  caches: Caches,
  client: Client,
  info: AuthenticationInfo,
): Promise<void> {
  const places = caches.of(namespaces)!;
  if (!places.get(`${places.prefix}${namespace}`)) return;
  const maps = caches.of(configMaps)!;
  const current = maps.get(`${maps.prefix}${namespace}/${name}`)?.object as unknown as ConfigMap | undefined;
  const ours = dataOf(info, current?.data ?? {});
  if (!Object.keys(ours).length) return;
  const data = { ...current?.data, ...ours };
  const write = client(configMaps);
  const fine = (error: unknown) => {
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  };
  if (!current) await write.create({ metadata: { name, namespace }, data }).catch(fine);
  else if (!equal(current.data, data)) await write.update({ ...clone(current), data }).catch(fine);
}

function dataOf({ clientCA, requestHeader }: AuthenticationInfo, known: Record<string, string>) {
  const data: Record<string, string> = {};
  if (clientCA) data['client-ca-file'] = together(known['client-ca-file'], clientCA);
  if (!requestHeader) return data;
  const list = (key: string, values: string[]): void => {
    data[key] = JSON.stringify([...new Set([...listIn(known[key]), ...values])]);
  };
  list('requestheader-username-headers', requestHeader.usernameHeaders);
  list('requestheader-uid-headers', requestHeader.uidHeaders);
  list('requestheader-group-headers', requestHeader.groupHeaders);
  list('requestheader-extra-headers-prefix', requestHeader.extraHeaderPrefixes);
  list('requestheader-allowed-names', requestHeader.allowedNames);
  data['requestheader-client-ca-file'] = together(known['requestheader-client-ca-file'], requestHeader.ca);
  return data;
}

function listIn(text: string | undefined): string[] {
  try {
    const value = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}

/** The certificates of both, each once. */
function together(known: string | undefined, ours: string): string {
  const all = `${known ?? ''}\n${ours}`.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return `${[...new Set(all ?? [])].join('\n')}\n`;
}
