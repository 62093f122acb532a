// What is wrong with a pod's spec; the same for pods and for pod templates.

import { dnsLabelProblems, dnsSubdomainProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { labelsErrors } from '../../machinery/selectors.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { ipErrors, notNegative, oneOf, present, problems, requiredOneOf } from '../checks.ts';
import { annotationsErrors } from '../meta.ts';
import {
  ephemeralContainersErrors,
  initContainersErrors,
  mainContainersErrors,
  type PodParts,
} from './container-validation.ts';
import { podResourcesErrors } from './resource-validation.ts';
import { affinityErrors, tolerationsErrors, topologySpreadErrors } from './scheduling-validation.ts';
import { podSecurityContextErrors } from './security-validation.ts';
import type { PodSpec, PodTemplateSpec } from './v1.gen.ts';
import { volumesErrors } from './volume-validation.ts';

/** Everything about a spec. `podName` is known for pods, not for templates. */
export function podSpecErrors(spec: PodSpec | undefined, path: FieldPath, podName?: string): FieldError[] {
  if (!spec) return [path.child('containers').required()];
  const parts: PodParts = {
    spec,
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claimNames: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
  };
  return [
    ...volumesErrors(spec, podName, path.child('volumes')),
    ...resourceClaimsErrors(spec, path.child('resourceClaims')),
    ...mainContainersErrors(parts, path.child('containers')),
    ...initContainersErrors(parts, path.child('initContainers')),
    ...ephemeralContainersErrors(parts, path.child('ephemeralContainers')),
    ...podResourcesErrors(spec, path),
    ...requiredOneOf(spec.restartPolicy, ['Always', 'Never', 'OnFailure'], path.child('restartPolicy')),
    ...requiredOneOf(
      spec.dnsPolicy,
      ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'],
      path.child('dnsPolicy'),
    ),
    ...labelsErrors(spec.nodeSelector, path.child('nodeSelector')),
    ...podSecurityContextErrors(spec, path),
    ...affinityErrors(spec.affinity, path.child('affinity')),
    ...dnsConfigErrors(spec, path.child('dnsConfig')),
    ...tolerationsErrors(spec.tolerations, path.child('tolerations')),
    ...topologySpreadErrors(spec.topologySpreadConstraints, path.child('topologySpreadConstraints')),
    ...namesErrors(spec, path),
    ...hostErrors(spec, path),
    ...oneOf(spec.preemptionPolicy, ['Never', 'PreemptLowerPriority'], path.child('preemptionPolicy')),
    ...notNegative(spec.terminationGracePeriodSeconds, path.child('terminationGracePeriodSeconds')),
  ];
}

function namesErrors(spec: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const check = (name: keyof PodSpec, find: (value: string) => string[]) => {
    const value = spec[name] as string | undefined;
    if (value) errors.push(...problems(find(value), value, path.child(name)));
  };
  check('serviceAccountName', dnsSubdomainProblems);
  check('nodeName', dnsSubdomainProblems);
  check('priorityClassName', dnsSubdomainProblems);
  check('runtimeClassName', dnsSubdomainProblems);
  check('hostname', dnsLabelProblems);
  check('subdomain', dnsLabelProblems);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > 2147483647))
    errors.push(
      path.child('activeDeadlineSeconds').invalid(deadline, 'must be between 1 and 2147483647, inclusive'),
    );
  spec.imagePullSecrets?.forEach((secret, i) => {
    if (!secret.name) errors.push(path.child('imagePullSecrets', i, 'name').required());
  });
  spec.readinessGates?.forEach(({ conditionType }, i) => {
    const at = path.child('readinessGates', i, 'conditionType');
    errors.push(...problems(qualifiedNameProblems(conditionType), conditionType, at));
  });
  const gates = new Set<string>();
  spec.schedulingGates?.forEach(({ name }, i) => {
    const at = path.child('schedulingGates', i);
    errors.push(...problems(qualifiedNameProblems(name), name, at));
    if (gates.has(name)) errors.push(at.duplicate(name));
    gates.add(name);
  });
  return errors;
}

function hostErrors(spec: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  spec.hostAliases?.forEach(({ ip, hostnames }, i) => {
    errors.push(...ipErrors(ip, path.child('hostAliases', i, 'ip')));
    for (const name of hostnames ?? [])
      errors.push(...problems(dnsSubdomainProblems(name), name, path.child('hostAliases', i, 'hostnames')));
  });
  if (spec.hostNetwork)
    for (const list of ['containers', 'initContainers'] as const)
      spec[list]?.forEach(({ ports }, i) => {
        ports?.forEach(({ hostPort, containerPort }, j) => {
          if (hostPort !== containerPort && hostPort)
            errors.push(
              path
                .child(list, i, 'ports', j, 'hostPort')
                .invalid(hostPort, 'must match `containerPort` when `hostNetwork` is true'),
            );
        });
      });
  if (spec.hostnameOverride) {
    const at = path.child('hostnameOverride');
    if (spec.setHostnameAsFQDN)
      errors.push(at.forbidden('may not be specified when setHostnameAsFQDN is true'));
    if (spec.hostNetwork) errors.push(at.forbidden('may not be specified when hostNetwork is true'));
    errors.push(...problems(dnsSubdomainProblems(spec.hostnameOverride), spec.hostnameOverride, at));
  }
  return errors;
}

function resourceClaimsErrors(spec: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  spec.resourceClaims?.forEach((claim, i) => {
    const at = path.child(i);
    if (!claim.name) errors.push(at.child('name').required());
    else if (names.has(claim.name)) errors.push(at.child('name').duplicate(claim.name));
    names.add(claim.name);
    const { resourceClaimName: name, resourceClaimTemplateName: template } = claim;
    if (name && template)
      errors.push(
        at.invalid(
          claim,
          'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        ),
      );
    if (!name && !template)
      errors.push(at.invalid(claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'));
  });
  return errors;
}

function dnsConfigErrors({ dnsPolicy, dnsConfig }: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (dnsPolicy === 'None') {
    if (!dnsConfig) return [path.required('must provide `dnsConfig` when `dnsPolicy` is None')];
    if (!dnsConfig.nameservers?.length)
      return [
        path
          .child('nameservers')
          .required('must provide at least one DNS nameserver when `dnsPolicy` is None'),
      ];
  }
  if (!dnsConfig) return errors;
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  if (nameservers.length > 3)
    errors.push(path.child('nameservers').invalid(nameservers, 'must not have more than 3 nameservers'));
  errors.push(...nameservers.flatMap((ip, i) => ipErrors(ip, path.child('nameservers', i))));
  if (searches.length > 32)
    errors.push(path.child('searches').invalid(searches, 'must not have more than 32 search paths'));
  if (searches.join(' ').length > 2048)
    errors.push(
      path
        .child('searches')
        .invalid(searches, 'must not have more than 2048 characters (including spaces) in the search list'),
    );
  searches.forEach((search, i) => {
    const name = search.replace(/\.$/, '').replaceAll('_', '-');
    if (search !== '.')
      errors.push(...problems(dnsSubdomainProblems(name), search, path.child('searches', i)));
  });
  errors.push(...options.flatMap((o, i) => present(o.name, path.child('options', i), 'must not be empty')));
  return errors;
}

/** A pod template, as Deployments and their like carry it. */
export function podTemplateErrors(template: PodTemplateSpec | undefined, path: FieldPath): FieldError[] {
  if (!template) return [path.child('spec', 'containers').required()];
  return [
    ...labelsErrors(template.metadata?.labels, path.child('labels')),
    ...annotationsErrors(template.metadata?.annotations ?? {}, path.child('annotations')),
    ...podSpecErrors(template.spec, path.child('spec')),
    ...(template.spec?.ephemeralContainers?.length
      ? [
          path
            .child('spec', 'ephemeralContainers')
            .forbidden('ephemeral containers not allowed in pod template'),
        ]
      : []),
  ];
}

/** A count of replicas, and the template's place in what owns it: only Always, and no deadline. */
export function longRunningTemplateErrors(
  template: PodTemplateSpec | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always')
    errors.push(path.child('spec', 'restartPolicy').notSupported(restartPolicy, ['Always']));
  if (activeDeadlineSeconds !== undefined)
    errors.push(
      path
        .child('spec', 'activeDeadlineSeconds')
        .forbidden('activeDeadlineSeconds in ReplicaSet is not Supported'),
    );
  return errors;
}
