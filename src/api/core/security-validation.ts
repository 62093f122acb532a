// Security contexts of pods and containers.
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { oneOf, requiredOneOf } from '../checks.ts';
import type { PodSpec, SecurityContext } from './v1.gen.ts';

const ID_PROBLEM = 'must be between 0 and 2147483647, inclusive';

const idErrors = (id: number | undefined, path: FieldPath): FieldError[] =>
  id !== undefined && (id < 0 || id > 2147483647) ? [path.invalid(id, ID_PROBLEM)] : [];

interface Profile {
  type: string;
  localhostProfile?: string;
}

function profileErrors(profile: Profile | undefined, name: string, path: FieldPath): FieldError[] {
  if (!profile) return [];
  const errors = profile.type
    ? oneOf(profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined'], path.child('type'))
    : [
        path
          .child('type')
          .required(
            `type is required when ${name === 'seccomp' ? 'seccompProfile' : 'appArmorProfile'} is set`,
          ),
      ];
  const at = path.child('localhostProfile');
  if (profile.type === 'Localhost') {
    if (!profile.localhostProfile?.trim())
      errors.push(at.required(`must be set when ${name} type is Localhost`));
    else if (
      name === 'seccomp' &&
      (profile.localhostProfile.startsWith('/') || profile.localhostProfile.split('/').includes('..'))
    )
      errors.push(at.invalid(profile.localhostProfile, 'must be a relative path'));
  } else if (profile.localhostProfile)
    errors.push(at.invalid(profile.localhostProfile, `can only be set when ${name} type is Localhost`));
  return errors;
}

/** A container's. `hostUsers`: whether the pod is in the host's user namespace. */
export function securityContextErrors(
  context: SecurityContext | undefined,
  hostUsers: boolean,
  path: FieldPath,
): FieldError[] {
  if (!context) return [];
  const errors = [
    ...idErrors(context.runAsUser, path.child('runAsUser')),
    ...idErrors(context.runAsGroup, path.child('runAsGroup')),
    ...oneOf(context.procMount, ['Default', 'Unmasked'], path.child('procMount')),
    ...profileErrors(context.seccompProfile, 'seccomp', path.child('seccompProfile')),
    ...profileErrors(context.appArmorProfile, 'AppArmor', path.child('appArmorProfile')),
  ];
  if (hostUsers && context.procMount === 'Unmasked')
    errors.push(
      path.child('procMount').invalid(context.procMount, '`hostUsers` must be false to use `Unmasked`'),
    );
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.push(
        path.invalid(context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      );
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      errors.push(
        path.invalid(
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      );
  }
  return errors;
}

const sysctlName = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const SYSCTL_PROBLEM =
  'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

/** The pod's own. */
export function podSecurityContextErrors(spec: PodSpec, path: FieldPath): FieldError[] {
  const context = spec.securityContext;
  if (!context) return [];
  const at = path.child('securityContext');
  const errors = [
    ...idErrors(context.fsGroup, at.child('fsGroup')),
    ...idErrors(context.runAsUser, at.child('runAsUser')),
    ...idErrors(context.runAsGroup, at.child('runAsGroup')),
    ...(context.supplementalGroups ?? []).flatMap((id, i) => idErrors(id, at.child('supplementalGroups', i))),
    ...oneOf(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], at.child('fsGroupChangePolicy')),
    ...oneOf(context.supplementalGroupsPolicy, ['Merge', 'Strict'], at.child('supplementalGroupsPolicy')),
    ...oneOf(context.seLinuxChangePolicy, ['MountOption', 'Recursive'], at.child('seLinuxChangePolicy')),
    ...profileErrors(context.seccompProfile, 'seccomp', at.child('seccompProfile')),
    ...profileErrors(context.appArmorProfile, 'AppArmor', at.child('appArmorProfile')),
  ];
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(
      at
        .child('shareProcessNamespace')
        .invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    );
  const names = new Set<string>();
  context.sysctls?.forEach(({ name }, i) => {
    const where = at.child('sysctls', i, 'name');
    if (!name) errors.push(where.required());
    else if (name.length > 253 || !sysctlName.test(name)) errors.push(where.invalid(name, SYSCTL_PROBLEM));
    else if (names.has(name)) errors.push(where.duplicate(name));
    names.add(name);
    if (spec.hostNetwork && name?.startsWith('net.'))
      errors.push(where.invalid(name, "may not be specified when 'hostNetwork' is true"));
    if (spec.hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(name ?? ''))
      errors.push(where.invalid(name, "may not be specified when 'hostIPC' is true"));
  });
  if (spec.hostUsers === false) {
    for (const name of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
      if (spec[name]) errors.push(path.child(name).forbidden('when `hostUsers` is false'));
  }
  if (spec.os) errors.push(...requiredOneOf(spec.os.name, ['linux', 'windows'], path.child('os', 'name')));
  return errors;
}
