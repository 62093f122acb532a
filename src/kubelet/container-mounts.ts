import type { Pod } from '../api/core/v1.gen.ts';
import type { Mount } from '../cri/cri.ts';
import { propagation } from './container-config.ts';
import { expand } from './expansion.ts';
import { podHostname } from './hostname.ts';
import { hostNetworkHostsFile, podHostsFile } from './hosts-file.ts';
import type { Parts } from './kubelet-parts.ts';
import type { PodContext } from './pod-context.ts';
import type { AnyContainer } from './pod-spec.ts';
import { isHostNetwork } from './pod-spec.ts';

const hostsPath = '/etc/hosts';

/** The path inside the volume, '' for all of it. Throws when an expression names a variable that has no value. */
export function subPathOf(
  { subPath, subPathExpr }: { subPath?: string; subPathExpr?: string },
  environment: Record<string, string>,
): string {
  if (!subPathExpr) return checkSubPath(subPath ?? '');
  const missing = new Set<string>();
  const path = expand(subPathExpr, (name) => {
    if (!environment[name]) missing.add(name);
    return environment[name] ?? '';
  });
  if (missing.size > 0) throw new Error(`missing value for ${[...missing].sort().join(', ')}`);
  return checkSubPath(path);
}

function checkSubPath(path: string): string {
  if (path.startsWith('/')) throw new Error(`error SubPath \`${path}\` must not be an absolute path`);
  if (path.split('/').includes('..'))
    throw new Error(`unable to provision SubPath \`${path}\`: must not contain '..'`);
  return path;
}

async function imagePath(parts: Parts, uid: string, volume: string, image: string): Promise<string> {
  const counts = (parts.imageVolumes ??= { requested: 0, mounted: 0, failed: 0 });
  counts.requested++;
  try {
    const path = await parts.host.mountImage(uid, volume, image);
    counts.mounted++;
    return path;
  } catch (error) {
    counts.failed++;
    throw error;
  }
}

/** Where a volume's files stand for this mount, on the host. Does not tell the user what the host's file system looks like. */
async function hostPathOf(
  { parts, volumes, name }: PodContext,
  pod: Pod,
  container: AnyContainer,
  index: number,
  environment: Record<string, string>,
  images: ReadonlyMap<string, string>,
): Promise<{ path: string; readOnly: boolean }> {
  const mount = container.volumeMounts![index]!;
  const image = images.get(mount.name);
  const volume = image
    ? { path: await imagePath(parts, name.uid, mount.name, image), readOnly: true }
    : volumes.get(mount.name, pod.spec!.volumes);
  if (!volume)
    throw new Error(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  const inside = subPathOf(mount, environment);
  if (!inside) return volume;
  try {
    const path = await parts.host.subPath(name.uid, container.name, index, volume.path, inside);
    return { ...volume, path };
  } catch (error) {
    parts.log.warn('subPath not prepared', { ...name, container: container.name, subPath: inside, error });
    throw new Error(
      `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`,
    );
  }
}

/**
 * The mounts of a container; files that they need are written. `images`: ids of the images of image volumes, by volume.
 * Throws an Error fit for an event.
 */
export async function containerMounts(
  context: PodContext,
  pod: Pod,
  container: AnyContainer,
  attempt: number,
  podIPs: string[],
  environment: Record<string, string>,
  images: ReadonlyMap<string, string>,
): Promise<Mount[]> {
  const { parts, name } = context;
  const mounts: Mount[] = [];
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const containerPath = mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`;
    const { path, readOnly } = await hostPathOf(context, pod, container, i, environment, images);
    mounts.push({
      containerPath,
      hostPath: path,
      readonly: mount.readOnly === true || readOnly,
      propagation: propagation(mount.mountPropagation),
    });
  }
  const ownHosts = mounts.some(({ containerPath }) => containerPath === hostsPath);
  if (!ownHosts && (podIPs.length > 0 || isHostNetwork(pod))) {
    const { hostname, domain } = podHostname(pod, parts.config.clusterDomain);
    const content = isHostNetwork(pod)
      ? hostNetworkHostsFile(await parts.host.hostsFile(), pod.spec!.hostAliases)
      : podHostsFile(podIPs, hostname, domain, pod.spec!.hostAliases);
    const hostPath = await parts.host.writePodFile(name.uid, 'etc-hosts', content);
    mounts.push({ containerPath: hostsPath, hostPath, selinuxRelabel: true });
  }
  if (container.terminationMessagePath) {
    const hostPath = await parts.host.terminationLog(name.uid, container.name, attempt);
    mounts.push({ containerPath: container.terminationMessagePath, hostPath, selinuxRelabel: true });
  }
  return mounts;
}
