// From a volume of the spec to what the host is to provide.
import type { Pod, ProjectedVolumeSource, Volume } from '../../api/core/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { integerValue } from '../../machinery/quantity.ts';
import type { DownwardFacts } from '../downward-api.ts';
import type { PodObjects } from '../environment.ts';
import type { HostVolume, ProjectedFile } from '../host.ts';
import { allContainers } from '../pod-spec.ts';
import { claimNameOf, claimVolume } from './claim.ts';
import { checkPath, configMapContents, downwardFiles, keyFiles, secretContents } from './projection.ts';
import type { TokenSource } from './service-account-token.ts';

export interface PlanInput {
  pod: Pod;
  facts: DownwardFacts;
  objects: PodObjects;
  tokens: TokenSource;
  client: Client;
}

const defaultMode = 0o644;

function mediumOf(medium = ''): (HostVolume & { type: 'emptyDir' })['medium'] {
  if (medium === 'Memory') return 'memory';
  if (!medium.startsWith('HugePages')) return 'disk';
  return { pageBytes: integerValue(medium === 'HugePages' ? '2Mi' : medium.slice('HugePages-'.length)) };
}

/** The one user that all containers run as, if so: a token may then be readable by that user alone. */
function onlyUser(pod: Pod): number | undefined {
  const shared = pod.spec!.securityContext?.runAsUser;
  const users = new Set([...allContainers(pod)].map(([c]) => c.securityContext?.runAsUser ?? shared));
  return users.size === 1 ? [...users][0] : undefined;
}

function configMapFiles(
  { name = '', items, optional }: NonNullable<Volume['configMap']>,
  mode: number,
  { objects }: PlanInput,
): ProjectedFile[] {
  const found = objects.configMap(name);
  if (!found && !optional) throw new Error(`configmap "${name}" not found`);
  return keyFiles(found ? configMapContents(found) : {}, items, mode, optional, 'config');
}

function secretFiles(
  name: string,
  { items, optional }: Pick<NonNullable<Volume['secret']>, 'items' | 'optional'>,
  mode: number,
  { objects }: PlanInput,
): ProjectedFile[] {
  const found = objects.secret(name);
  if (!found && !optional) throw new Error(`secret "${name}" not found`);
  return keyFiles(found ? secretContents(found) : {}, items, mode, optional, 'secret');
}

async function projectedFiles(source: ProjectedVolumeSource, input: PlanInput): Promise<ProjectedFile[]> {
  const mode = source.defaultMode ?? defaultMode;
  const files: ProjectedFile[] = [];
  for (const { configMap, secret, downwardAPI, serviceAccountToken, ...other } of source.sources ?? []) {
    if (configMap) files.push(...configMapFiles(configMap, mode, input));
    else if (secret) files.push(...secretFiles(secret.name ?? '', secret, mode, input));
    else if (downwardAPI) files.push(...downwardFiles(downwardAPI.items, mode, input.facts));
    else if (serviceAccountToken) {
      const { audience, expirationSeconds, path } = serviceAccountToken;
      const token = await input.tokens.token(input.pod, audience, expirationSeconds);
      const uid = onlyUser(input.pod);
      const closed = uid !== undefined || input.pod.spec!.securityContext?.fsGroup !== undefined;
      files.push({
        path: checkPath(path),
        data: new TextEncoder().encode(token),
        mode: closed ? 0o600 : mode,
        ...(uid !== undefined ? { uid } : {}),
      });
    } else throw new Error(`projected source ${Object.keys(other).join()} is not supported by this node`);
  }
  // Where two sources give one path, the later one counts.
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

/** undefined for a volume that needs nothing of the host (an image). Throws an Error fit for a FailedMount event. */
export async function planVolume(volume: Volume, input: PlanInput): Promise<HostVolume | undefined> {
  const { name, emptyDir, hostPath, configMap, secret, downwardAPI, projected } = volume;
  const fsGroup = input.pod.spec!.securityContext?.fsGroup;
  const gid = fsGroup === undefined ? {} : { gid: fsGroup };
  const files = (list: ProjectedFile[]): HostVolume => ({ type: 'files', name, files: list, ...gid });
  if (emptyDir) {
    const sizeBytes = integerValue(emptyDir.sizeLimit);
    return {
      type: 'emptyDir',
      name,
      medium: mediumOf(emptyDir.medium),
      ...(sizeBytes ? { sizeBytes } : {}),
      ...gid,
    };
  }
  if (hostPath) return { type: 'path', name, path: hostPath.path, check: hostPath.type ?? '' };
  if (configMap) return files(configMapFiles(configMap, configMap.defaultMode ?? defaultMode, input));
  if (secret)
    return files(secretFiles(secret.secretName ?? '', secret, secret.defaultMode ?? defaultMode, input));
  if (downwardAPI)
    return files(downwardFiles(downwardAPI.items, downwardAPI.defaultMode ?? defaultMode, input.facts));
  if (projected) return files(await projectedFiles(projected, input));
  const claim = claimNameOf(input.pod, volume);
  if (claim) return claimVolume(input.client, input.pod, volume, claim);
  if (volume.image) return undefined;
  // The API's default for a volume of which nothing is said.
  if (Object.keys(volume).length === 1) return { type: 'emptyDir', name, medium: 'disk', ...gid };
  const kind = Object.keys(volume).find((key) => key !== 'name');
  throw new Error(`no volume plugin matched: ${kind} volumes are not supported by this node`);
}
