// Containers of a pod: names, images, ports, environment, mounts.
import { dnsLabelProblems, portNameProblems, portProblems } from '../../machinery/names.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { oneOf, problems, requiredOneOf } from '../checks.ts';
import { type AnyContainer, isSidecar } from './containers.ts';
import { envErrors, envFromErrors } from './env-validation.ts';
import { containerHookErrors } from './probe-validation.ts';
import { resourcesErrors } from './resource-validation.ts';
import { securityContextErrors } from './security-validation.ts';
import type { Container, PodSpec, Volume } from './v1.gen.ts';
import { localPathErrors } from './volume-validation.ts';

/** What a container is checked against. */
export interface PodParts {
  spec: PodSpec;
  volumes: ReadonlyMap<string, Volume>;
  claimNames: ReadonlySet<string>;
}

function portsErrors(container: AnyContainer, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  container.ports?.forEach(({ name, containerPort, hostPort, protocol }, i) => {
    const at = path.child(i);
    if (name) {
      const wrong = portNameProblems(name);
      if (wrong.length) errors.push(...problems(wrong, name, at.child('name')));
      else if (names.has(name)) errors.push(at.child('name').duplicate(name));
      names.add(name);
    }
    if (!containerPort) errors.push(at.child('containerPort').required());
    else errors.push(...problems(portProblems(containerPort), containerPort, at.child('containerPort')));
    if (hostPort) errors.push(...problems(portProblems(hostPort), hostPort, at.child('hostPort')));
    errors.push(...requiredOneOf(protocol, ['SCTP', 'TCP', 'UDP'], at.child('protocol')));
  });
  return errors;
}

function mountsErrors(container: AnyContainer, { volumes }: PodParts, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  container.volumeMounts?.forEach((mount, i) => {
    const at = path.child('volumeMounts', i);
    if (!mount.name) errors.push(at.child('name').required());
    if (!volumes.has(mount.name)) errors.push(at.child('name').notFound(mount.name));
    if (!mount.mountPath) errors.push(at.child('mountPath').required());
    if (paths.has(mount.mountPath))
      errors.push(at.child('mountPath').invalid(mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (devices.some(({ name }) => name === mount.name))
      errors.push(at.child('name').invalid(mount.name, 'must not already exist in volumeDevices'));
    if (devices.some(({ devicePath }) => devicePath === mount.mountPath))
      errors.push(
        at.child('mountPath').invalid(mount.mountPath, 'must not already exist as a path in volumeDevices'),
      );
    if (mount.subPath) errors.push(...localPathErrors(mount.subPath, at.child('subPath')));
    if (mount.subPathExpr) {
      if (mount.subPath)
        errors.push(
          at
            .child('subPathExpr')
            .invalid(mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
        );
      errors.push(...localPathErrors(mount.subPathExpr, at.child('subPathExpr')));
    }
    errors.push(
      ...oneOf(
        mount.mountPropagation,
        ['Bidirectional', 'HostToContainer', 'None'],
        at.child('mountPropagation'),
      ),
      ...oneOf(mount.recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'], at.child('recursiveReadOnly')),
    );
    if (mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged)
      errors.push(
        at
          .child('mountPropagation')
          .forbidden('Bidirectional mount propagation is available only to privileged containers'),
      );
    if (mount.recursiveReadOnly && mount.recursiveReadOnly !== 'Disabled' && !mount.readOnly)
      errors.push(at.child('recursiveReadOnly').forbidden('may only be specified when readOnly is true'));
  });
  const names = new Set<string>();
  devices.forEach(({ name, devicePath }, i) => {
    const at = path.child('volumeDevices', i);
    const volume = volumes.get(name);
    if (!name) errors.push(at.child('name').required());
    if (names.has(name)) errors.push(at.child('name').invalid(name, 'must be unique'));
    names.add(name);
    if (!volume) errors.push(at.child('name').notFound(name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      errors.push(
        at
          .child('name')
          .invalid(
            name,
            'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
          ),
      );
    if (!devicePath) errors.push(at.child('devicePath').required());
    else if (devicePath.split('/').includes('..'))
      errors.push(at.child('devicePath').invalid(devicePath, "can not contain backsteps ('..')"));
  });
  return errors;
}

/** What holds for every container, main, init or ephemeral. */
export function containerErrors(container: AnyContainer, parts: PodParts, path: FieldPath): FieldError[] {
  const { spec, claimNames } = parts;
  const errors: FieldError[] = [];
  if (!container.name) errors.push(path.child('name').required());
  else errors.push(...problems(dnsLabelProblems(container.name), container.name, path.child('name')));
  if (!container.image) errors.push(path.child('image').required());
  else if (container.image.trim() !== container.image)
    errors.push(path.child('image').invalid(container.image, 'must not have leading or trailing whitespace'));
  errors.push(
    ...requiredOneOf(
      container.terminationMessagePolicy,
      ['FallbackToLogsOnError', 'File'],
      path.child('terminationMessagePolicy'),
    ),
    ...requiredOneOf(
      container.imagePullPolicy,
      ['Always', 'IfNotPresent', 'Never'],
      path.child('imagePullPolicy'),
    ),
    ...portsErrors(container, path.child('ports')),
    ...envErrors(container.env, path.child('env')),
    ...envFromErrors(container.envFrom, path.child('envFrom')),
    ...mountsErrors(container, parts, path),
    ...resourcesErrors(container.resources, claimNames, path.child('resources')),
    ...securityContextErrors(
      container.securityContext,
      spec.hostUsers !== false,
      path.child('securityContext'),
    ),
  );
  container.resizePolicy?.forEach(({ resourceName, restartPolicy }, i) => {
    const at = path.child('resizePolicy');
    if (container.resizePolicy!.findIndex((p) => p.resourceName === resourceName) < i)
      errors.push(at.child(i).duplicate(resourceName));
    errors.push(
      ...requiredOneOf(resourceName, ['cpu', 'memory'], at),
      ...requiredOneOf(restartPolicy, ['NotRequired', 'RestartContainer'], at),
    );
    if (spec.restartPolicy === 'Never' && restartPolicy && restartPolicy !== 'NotRequired')
      errors.push(at.invalid(restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
  });
  return errors;
}

export function mainContainersErrors(parts: PodParts, path: FieldPath): FieldError[] {
  const { spec } = parts;
  if (!spec.containers?.length) return [path.required()];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  spec.containers.forEach((container, i) => {
    const at = path.child(i);
    errors.push(...containerErrors(container, parts, at));
    if (names.has(container.name)) errors.push(at.child('name').duplicate(container.name));
    names.add(container.name);
    errors.push(...containerHookErrors(container, spec.terminationGracePeriodSeconds, at));
    errors.push(...restartRulesErrors(container, at));
  });
  errors.push(...hostPortErrors(spec.containers, path));
  return errors;
}

function restartRulesErrors(container: Container, path: FieldPath): FieldError[] {
  const errors = oneOf(
    container.restartPolicy,
    ['Always', 'Never', 'OnFailure'],
    path.child('restartPolicy'),
  );
  const rules = container.restartPolicyRules ?? [];
  if (rules.length && !container.restartPolicy)
    errors.push(
      path.child('restartPolicy').required('must specify restartPolicy when restart rules are used'),
    );
  if (rules.length > 20) errors.push(path.child('restartPolicyRules').tooMany(rules.length, 20));
  rules.forEach(({ action, exitCodes }, i) => {
    const at = path.child('restartPolicyRules', i);
    errors.push(...requiredOneOf(action, ['Restart', 'RestartAllContainers'], at.child('action')));
    if (!exitCodes) errors.push(at.child('exitCodes').required('must be specified'));
    else
      errors.push(...requiredOneOf(exitCodes.operator, ['In', 'NotIn'], at.child('exitCodes', 'operator')));
  });
  return errors;
}

export function initContainersErrors(parts: PodParts, path: FieldPath): FieldError[] {
  const { spec } = parts;
  const errors: FieldError[] = [];
  const names = new Set((spec.containers ?? []).map((c) => c.name));
  spec.initContainers?.forEach((container, i) => {
    const at = path.child(i);
    errors.push(...containerErrors(container, parts, at));
    if (names.has(container.name)) errors.push(at.child('name').duplicate(container.name));
    names.add(container.name);
    errors.push(...restartRulesErrors(container, at));
    if (isSidecar(container))
      errors.push(...containerHookErrors(container, spec.terminationGracePeriodSeconds, at));
    else
      for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
        if (container[name])
          errors.push(
            at.child(name).forbidden('may not be set for init containers without restartPolicy=Always'),
          );
    errors.push(...hostPortErrors([container], path));
  });
  return errors;
}

const notForEphemeral = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resizePolicy',
] as const;

export function ephemeralContainersErrors(parts: PodParts, path: FieldPath): FieldError[] {
  const { spec } = parts;
  const errors: FieldError[] = [];
  const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((c) => c.name);
  const names = new Set(others);
  spec.ephemeralContainers?.forEach((container, i) => {
    const at = path.child(i);
    errors.push(...containerErrors(container, parts, at));
    if (names.has(container.name)) errors.push(at.child('name').duplicate(container.name));
    names.add(container.name);
    if (container.targetContainerName && !others.includes(container.targetContainerName))
      errors.push(at.child('targetContainerName').notFound(container.targetContainerName));
    for (const name of notForEphemeral)
      if (container[name]) errors.push(at.child(name).forbidden('cannot be set for an Ephemeral Container'));
    if (container.resources && Object.keys(container.resources).length)
      errors.push(at.child('resources').forbidden('cannot be set for an Ephemeral Container'));
    container.volumeMounts?.forEach((mount, j) => {
      for (const name of ['subPath', 'subPathExpr'] as const)
        if (mount[name])
          errors.push(
            at.child('volumeMounts', j, name).forbidden('cannot be set for an Ephemeral Container'),
          );
    });
  });
  return errors;
}

function hostPortErrors(containers: Container[], path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  containers.forEach((container, i) => {
    container.ports?.forEach(({ hostPort, hostIP = '', protocol }, j) => {
      if (!hostPort) return;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (seen.has(key)) errors.push(path.child(i, 'ports', j, 'hostPort').duplicate(key));
      seen.add(key);
    });
  });
  return errors;
}
