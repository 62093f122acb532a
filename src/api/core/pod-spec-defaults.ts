// What a pod's spec gets when the user leaves it out; the same for pods and for pod templates.
import { compareQuantity, formatMilli, milliValue } from '../../machinery/quantity.ts';
import { type AnyContainer, allContainers, imageTag } from './containers.ts';
import type { ObjectFieldSelector, PodSpec, Probe, ResourceRequirements, Volume } from './v1.gen.ts';

const FILE_MODE = 0o644;

const pullPolicyFor = (image: string): string => (imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent');

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  // `serviceAccount` is the older name of the same field.
  spec.serviceAccountName ||= spec.serviceAccount;
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else delete spec.serviceAccountName;
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const [container] of allContainers(spec)) defaultContainer(container);
}

function defaultContainer(container: AnyContainer): void {
  container.imagePullPolicy ||= pullPolicyFor(container.image ?? '');
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  roundResources(container.resources);
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) defaultFieldRef(valueFrom?.fieldRef);
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHttp(container.lifecycle?.postStart?.httpGet);
  defaultHttp(container.lifecycle?.preStop?.httpGet);
}

/** Nothing finer than a thousandth is kept. */
function roundResources(resources: ResourceRequirements): void {
  for (const list of [resources.limits, resources.requests])
    for (const name in list) {
      const value = list[name]!;
      if (/[nu]$/.test(value)) list[name] = formatMilli(milliValue(value));
    }
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttp(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultHttp(http: { path?: string; scheme?: string } | undefined): void {
  if (!http) return;
  http.path ||= '/';
  http.scheme ||= 'HTTP';
}

function defaultFieldRef(ref: ObjectFieldSelector | undefined): void {
  if (ref) ref.apiVersion ||= 'v1';
}

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.image) volume.image.pullPolicy ||= pullPolicyFor(volume.image.reference ?? '');
  if (volume.ephemeral?.volumeClaimTemplate?.spec)
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem';
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    for (const item of volume.downwardAPI.items ?? []) defaultFieldRef(item.fieldRef);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
      for (const item of source.downwardAPI?.items ?? []) defaultFieldRef(item.fieldRef);
    }
  }
  defaultOldVolumes(volume);
}

function defaultOldVolumes({ iscsi, rbd, azureDisk, scaleIO }: Volume): void {
  if (iscsi) iscsi.iscsiInterface ||= 'default';
  if (rbd) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (azureDisk) {
    azureDisk.cachingMode ||= 'ReadWrite';
    azureDisk.kind ||= 'Shared';
    azureDisk.fsType ||= 'ext4';
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
}

/** What only a pod gets, not a template: requests from limits, service links, host ports. */
export function defaultPodOnly(spec: PodSpec): void {
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    const { resources } = container;
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
  spec.enableServiceLinks ??= true;
  if (spec.resources?.limits) defaultPodRequests(spec);
}

const podLevel = (name: string): boolean =>
  name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** KEP-2837: where the pod as a whole has limits, its requests are those of its containers, else its limits. */
function defaultPodRequests(spec: PodSpec): void {
  const requests: Record<string, string> = { ...spec.resources!.requests };
  const limits = spec.resources!.limits!;
  for (const [name, value] of Object.entries(containerTotals(spec)))
    if (podLevel(name) && !name.startsWith('hugepages-')) requests[name] ??= value;
  for (const name in limits) if (podLevel(name)) requests[name] ??= limits[name]!;
  if (Object.keys(requests).length) spec.resources!.requests = requests;
}

/**
 * What all containers together request: the main ones and the sidecars run at once, each other init container runs
 * beside the sidecars started before it.
 */
function containerTotals(spec: PodSpec): Record<string, string> {
  const sum: Record<string, number> = {};
  const sidecars: Record<string, number> = {};
  const peak: Record<string, number> = {};
  const add = (into: Record<string, number>, from: Record<string, string> | undefined) => {
    for (const name in from) into[name] = (into[name] ?? 0) + milliValue(from[name]);
  };
  for (const { resources } of spec.containers ?? []) add(sum, resources?.requests);
  for (const { restartPolicy, resources } of spec.initContainers ?? []) {
    if (restartPolicy === 'Always') add(sidecars, resources?.requests);
    else {
      const here = { ...sidecars };
      add(here, resources?.requests);
      for (const name in here) peak[name] = Math.max(peak[name] ?? 0, here[name]!);
    }
  }
  for (const name in sidecars) sum[name] = (sum[name] ?? 0) + sidecars[name]!;
  for (const name in peak) sum[name] = Math.max(sum[name] ?? 0, peak[name]!);
  return Object.fromEntries(Object.entries(sum).map(([name, milli]) => [name, formatMilli(milli)]));
}

/** Guaranteed, Burstable or BestEffort, from what the containers request and are limited to. */
export function qosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const own = spec.resources;
  const lists: (ResourceRequirements | undefined)[] =
    own && (own.requests || own.limits)
      ? [own]
      : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((c) => c.resources);
  let any = false;
  let guaranteed = true;
  for (const resources of lists) {
    for (const name of ['cpu', 'memory']) {
      const request = resources?.requests?.[name];
      const limit = resources?.limits?.[name];
      const isSet = (q: string | undefined) => q !== undefined && compareQuantity(q, '0') > 0;
      if (isSet(request) || isSet(limit)) any = true;
      if (!isSet(limit) || compareQuantity(request ?? limit, limit) !== 0) guaranteed = false;
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}
