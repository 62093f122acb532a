// Under which identity and with which rights a container runs.
// https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
import type { AppArmorProfile, Pod, SeccompProfile, SecurityContext } from '../api/core/v1.gen.ts';
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SecurityProfile,
} from '../cri/cri.ts';
import { NamespaceMode, ProfileType, SupplementalGroupsPolicy } from '../cri/cri.ts';
import type { AnyContainer } from './pod-spec.ts';
import { allContainers, isHostNetwork, podText } from './pod-spec.ts';

/** Whom the image runs as, where the spec does not say. */
export interface ImageUser {
  uid?: number;
  username?: string;
}

const masked = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonly = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function namespaceOptions(pod: Pod): NamespaceOption {
  const { hostPID, hostIPC, shareProcessNamespace } = pod.spec!;
  return {
    network: isHostNetwork(pod) ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: hostPID ? NamespaceMode.NODE : shareProcessNamespace ? NamespaceMode.POD : NamespaceMode.CONTAINER,
    ipc: hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}

const profile = (
  { type, localhostProfile }: SeccompProfile | AppArmorProfile,
  root: string,
): SecurityProfile | undefined => {
  if (type === 'RuntimeDefault') return { profileType: ProfileType.RuntimeDefault };
  if (type !== 'Localhost') return { profileType: ProfileType.Unconfined };
  return { profileType: ProfileType.Localhost, localhostRef: root + (localhostProfile ?? '') };
};

/** The groups of the pod, beside those that the image gives its user. */
function groups(
  pod: Pod,
): Pick<LinuxContainerSecurityContext, 'supplementalGroups' | 'supplementalGroupsPolicy'> {
  const { fsGroup, supplementalGroups = [], supplementalGroupsPolicy } = pod.spec!.securityContext ?? {};
  return {
    supplementalGroups: [...(fsGroup !== undefined ? [fsGroup] : []), ...supplementalGroups],
    ...(supplementalGroupsPolicy === 'Strict'
      ? { supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict }
      : {}),
  };
}

const int64 = (value: number | undefined) => (value === undefined ? undefined : { value });

/** Where localhost seccomp profiles are read. */
const seccompRoot = '/var/lib/kubelet/seccomp/';

export function sandboxSecurity(pod: Pod): LinuxSandboxSecurityContext {
  const context = pod.spec!.securityContext ?? {};
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged: [...allContainers(pod)].some(([container]) => container.securityContext?.privileged),
    // The pause process needs no more than this, whatever the containers need.
    seccomp: { profileType: ProfileType.RuntimeDefault },
    runAsUser: int64(context.runAsUser),
    runAsGroup: int64(context.runAsGroup),
    selinuxOptions: context.seLinuxOptions,
    ...groups(pod),
  };
}

/** The container's own settings over the pod's. */
const effective = (pod: Pod, { securityContext: own = {} }: AnyContainer): SecurityContext => {
  const shared = pod.spec!.securityContext ?? {};
  return {
    ...own,
    runAsUser: own.runAsUser ?? shared.runAsUser,
    runAsGroup: own.runAsGroup ?? shared.runAsGroup,
    runAsNonRoot: own.runAsNonRoot ?? shared.runAsNonRoot,
    seLinuxOptions: own.seLinuxOptions ?? shared.seLinuxOptions,
    seccompProfile: own.seccompProfile ?? shared.seccompProfile,
    appArmorProfile: own.appArmorProfile ?? shared.appArmorProfile,
  };
};

/** Throws where the spec wants a container that is not root and it would be, or nobody can tell. */
export function checkNonRoot(pod: Pod, container: AnyContainer, image: ImageUser): void {
  const { runAsNonRoot, runAsUser } = effective(pod, container);
  if (!runAsNonRoot) return;
  const where = `(pod: "${podText(pod)}", container: ${container.name})`;
  if (runAsUser === 0) throw new Error(`container's runAsUser breaks non-root policy ${where}`);
  if (runAsUser !== undefined) return;
  if (image.uid === 0) throw new Error(`container has runAsNonRoot and image will run as root ${where}`);
  if (image.username)
    throw new Error(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
}

/** `targetId`: the container whose processes an ephemeral container sees. */
export function containerSecurity(
  pod: Pod,
  container: AnyContainer,
  image: ImageUser,
  targetId?: string,
): LinuxContainerSecurityContext {
  const context = effective(pod, container);
  const namespaces = namespaceOptions(pod);
  const target = targetId !== undefined && namespaces.pid === NamespaceMode.CONTAINER;
  const own = context.runAsUser === undefined;
  const unmasked = context.procMount === 'Unmasked';
  const appArmor = context.appArmorProfile;
  return {
    capabilities: {
      addCapabilities: context.capabilities?.add ?? [],
      dropCapabilities: context.capabilities?.drop ?? [],
    },
    privileged: context.privileged === true,
    namespaceOptions: target ? { ...namespaces, pid: NamespaceMode.TARGET, targetId } : namespaces,
    selinuxOptions: context.seLinuxOptions,
    runAsUser: int64(own ? image.uid : context.runAsUser),
    runAsGroup: int64(context.runAsGroup),
    runAsUsername: own ? image.username : undefined,
    readonlyRootfs: context.readOnlyRootFilesystem === true,
    ...groups(pod),
    noNewPrivs: context.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : masked,
    readonlyPaths: unmasked ? [] : readonly,
    seccomp: context.privileged
      ? { profileType: ProfileType.Unconfined }
      : profile(context.seccompProfile ?? { type: 'Unconfined' }, seccompRoot),
    ...(appArmor ? { apparmor: profile(appArmor, '') } : {}),
  };
}
