/** In which order groups and their versions are listed: the higher first. As upstream registers its own. */
const groups: Record<string, { group: number; versions: Record<string, number> }> = {
  '': { group: 18_000, versions: { v1: 1 } },
  apps: { group: 17_800, versions: { v1: 15 } },
  'events.k8s.io': { group: 17_750, versions: { v1: 15 } },
  'authentication.k8s.io': { group: 17_700, versions: { v1: 15 } },
  'authorization.k8s.io': { group: 17_600, versions: { v1: 15 } },
  autoscaling: { group: 17_500, versions: { v2: 30, v1: 15 } },
  batch: { group: 17_400, versions: { v1: 15 } },
  'certificates.k8s.io': { group: 17_300, versions: { v1: 15, v1beta1: 9, v1alpha1: 1 } },
  'networking.k8s.io': { group: 17_200, versions: { v1: 15, v1beta1: 9 } },
  policy: { group: 17_100, versions: { v1: 15 } },
  'rbac.authorization.k8s.io': { group: 17_000, versions: { v1: 15 } },
  'storage.k8s.io': { group: 16_800, versions: { v1: 15, v1beta1: 9, v1alpha1: 1 } },
  'apiextensions.k8s.io': { group: 16_700, versions: { v1: 15 } },
  'admissionregistration.k8s.io': { group: 16_700, versions: { v1: 15, v1beta1: 12, v1alpha1: 9 } },
  'scheduling.k8s.io': { group: 16_600, versions: { v1: 15, v1alpha2: 2 } },
  'coordination.k8s.io': { group: 16_500, versions: { v1: 15, v1beta1: 13, v1alpha2: 12 } },
  'node.k8s.io': { group: 16_300, versions: { v1: 15 } },
  'discovery.k8s.io': { group: 16_200, versions: { v1: 15 } },
  'resource.k8s.io': { group: 16_200, versions: { v1: 21, v1beta2: 15, v1beta1: 9, v1alpha3: 1 } },
  'flowcontrol.apiserver.k8s.io': { group: 16_100, versions: { v1: 21 } },
  'internal.apiserver.k8s.io': { group: 16_000, versions: { v1alpha1: 9 } },
  'storagemigration.k8s.io': { group: 15_800, versions: { v1beta1: 9 } },
};

/** Those of custom resources: after everything built in. */
export const customPriorities = { groupPriorityMinimum: 1000, versionPriority: 100 };

/** This group is no APIService: it is what they are made of, and comes first. */
export const registrationGroup = 'apiregistration.k8s.io';

/** Of a built-in group version; undefined for one that is not registered. */
export function priorityOf(
  group: string,
  version: string,
): { groupPriorityMinimum: number; versionPriority: number } | undefined {
  const known = groups[group];
  const versionPriority = known?.versions[version];
  return known && versionPriority ? { groupPriorityMinimum: known.group, versionPriority } : undefined;
}
