import type { Pod } from '../api/core/v1.gen.ts';
import { allContainers } from './pod-spec.ts';

export interface References {
  configMaps: string[];
  secrets: string[];
}

/** Config maps and secrets that a pod names, optional ones too: these are fetched and watched for it. */
export function referencesOf(pod: Pod): References {
  const configMaps = new Set<string | undefined>();
  const secrets = new Set<string | undefined>();
  for (const [container] of allContainers(pod)) {
    for (const { valueFrom } of container.env ?? []) {
      configMaps.add(valueFrom?.configMapKeyRef?.name);
      secrets.add(valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      configMaps.add(configMapRef?.name);
      secrets.add(secretRef?.name);
    }
  }
  for (const { configMap, secret, projected } of pod.spec!.volumes ?? []) {
    configMaps.add(configMap?.name);
    secrets.add(secret?.secretName);
    for (const source of projected?.sources ?? []) {
      configMaps.add(source.configMap?.name);
      secrets.add(source.secret?.name);
    }
  }
  for (const { name } of pod.spec!.imagePullSecrets ?? []) secrets.add(name);
  const named = (names: Set<string | undefined>) =>
    [...names].filter((name): name is string => Boolean(name));
  return { configMaps: named(configMaps), secrets: named(secrets) };
}
