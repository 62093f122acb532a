import type { Pod } from '../api/core/v1.gen.ts';
import type { ContainerConfig, LinuxContainerResources, Mount } from '../cri/cri.ts';
import { MountPropagation } from '../cri/cri.ts';
import { integerValue, milliValue } from '../machinery/quantity.ts';
import { expandAll } from './expansion.ts';
import { cpuPeriod, cpuQuota, cpuShares, oomScoreAdjust } from './pod-resources.ts';
import type { AnyContainer } from './pod-spec.ts';
import { containerAnnotations, containerLabels } from './runtime-labels.ts';
import type { ImageUser } from './security-context.ts';
import { checkNonRoot, containerSecurity } from './security-context.ts';

export interface ContainerInput {
  pod: Pod;
  container: AnyContainer;
  restartCount: number;
  /** As the runtime wants it named. */
  imageRef: string;
  imageUser: ImageUser;
  environment: Record<string, string>;
  mounts: Mount[];
  memoryCapacity: number;
  /** Id of the container that an ephemeral one looks into. */
  targetId?: string;
}

/** `2Mi` -> `2MB`: as the kernel's hugetlb controller names page sizes. */
const pageSize = (size: string): string => {
  const bytes = integerValue(size);
  return bytes >= 2 ** 30
    ? `${bytes / 2 ** 30}GB`
    : bytes >= 2 ** 20
      ? `${bytes / 2 ** 20}MB`
      : `${bytes / 2 ** 10}KB`;
};

export function linuxResources(
  pod: Pod,
  container: AnyContainer,
  memoryCapacity: number,
): LinuxContainerResources {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const whole = pod.spec!.resources?.limits ?? {};
  const memory = integerValue(limits.memory ?? whole.memory);
  const hugepages = Object.entries(limits).filter(([name]) => name.startsWith('hugepages-'));
  return {
    cpuPeriod,
    cpuShares: cpuShares(milliValue(requests.cpu ?? limits.cpu)),
    cpuQuota: cpuQuota(milliValue(limits.cpu ?? whole.cpu)),
    ...(memory > 0 ? { memoryLimitInBytes: memory } : {}),
    oomScoreAdj: oomScoreAdjust(pod, container, memoryCapacity),
    hugepageLimits: hugepages.map(([name, limit]) => ({
      pageSize: pageSize(name.slice('hugepages-'.length)),
      limit: integerValue(limit),
    })),
  };
}

const propagations: Record<string, number> = {
  None: MountPropagation.PROPAGATION_PRIVATE,
  HostToContainer: MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  Bidirectional: MountPropagation.PROPAGATION_BIDIRECTIONAL,
};

export const propagation = (mode: string | undefined): number =>
  propagations[mode ?? 'None'] ?? MountPropagation.PROPAGATION_PRIVATE;

/** What the runtime makes a container from. Throws (an Error fit for an event) when the spec forbids to run it as root. */
export function containerConfig(input: ContainerInput): ContainerConfig {
  const { pod, container, restartCount, environment } = input;
  checkNonRoot(pod, container, input.imageUser);
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: input.imageRef, userSpecifiedImage: container.image ?? '' },
    command: expandAll(container.command, environment),
    args: expandAll(container.args, environment),
    workingDir: container.workingDir ?? '',
    envs: Object.entries(environment).map(([key, value]) => ({ key, value })),
    mounts: input.mounts,
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: `${container.name}/${restartCount}.log`,
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: linuxResources(pod, container, input.memoryCapacity),
      securityContext: containerSecurity(pod, container, input.imageUser, input.targetId),
    },
  };
}
