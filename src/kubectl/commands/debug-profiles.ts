// What a debugging container may do: the profiles of `kubectl debug`, as KEP-1441 lists them.
import type { AnyObject } from '../../machinery/meta.ts';
import { KubectlError } from '../errors.ts';

/** How one debugs: a container added to the pod, a copy of the pod, or a pod on a node. */
export type Style = 'ephemeral' | 'copy' | 'node';

/** What a copy keeps of its pod. */
export interface Keep {
  labels: boolean;
  annotations: boolean;
  liveness: boolean;
  readiness: boolean;
  startup: boolean;
  initContainers: boolean;
}

type Container = Record<string, any>;
type Step = (pod: AnyObject, container: Container) => void;

const security = (container: Container): Record<string, any> => (container.securityContext ??= {});

const capable =
  (...names: string[]): Step =>
  (_, container) => {
    const { add = [], ...rest } = security(container).capabilities ?? {};
    container.securityContext.capabilities = { ...rest, add: [...add, ...names] };
  };

const unprivileged: Step = (_, container) => {
  delete container.securityContext;
};

const restricted: Step = (_, container) => {
  container.securityContext = {
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
};

const privileged: Step = (_, container) => {
  security(container).privileged = true;
};

const hostNamespaces: Step = ({ spec }) => {
  Object.assign(spec, { hostNetwork: true, hostPID: true, hostIPC: true });
};

const hostRoot: Step = ({ spec }, container) => {
  (spec.volumes ??= []).push({ name: 'host-root', hostPath: { path: '/' } });
  (container.volumeMounts ??= []).push({ name: 'host-root', mountPath: '/host' });
};

const sharedProcesses: Step = ({ spec }) => {
  spec.shareProcessNamespace ??= true;
};

/** A copy does not get the traffic of its pod, nor is it killed by the pod's probes, unless it is told to keep these. */
const kept =
  (keep: Keep): Step =>
  ({ metadata, spec }) => {
    if (!keep.labels) delete metadata.labels;
    if (!keep.annotations) delete metadata.annotations;
    if (!keep.initContainers) delete spec.initContainers;
    for (const container of spec.containers) {
      if (!keep.liveness) delete container.livenessProbe;
      if (!keep.readiness) delete container.readinessProbe;
      if (!keep.startup) delete container.startupProbe;
    }
  };

const profiles = (keep: Keep): Record<string, Record<Style, Step[]>> => {
  const copied = [kept(keep), sharedProcesses];
  const netadmin = capable('NET_ADMIN', 'NET_RAW');
  return {
    legacy: {
      ephemeral: [],
      copy: [({ metadata }) => delete metadata.labels],
      node: [hostRoot, hostNamespaces],
    },
    general: {
      ephemeral: [capable('SYS_PTRACE')],
      copy: [...copied, capable('SYS_PTRACE')],
      node: [hostRoot, unprivileged, hostNamespaces],
    },
    baseline: { ephemeral: [unprivileged], copy: [unprivileged, ...copied], node: [unprivileged] },
    restricted: { ephemeral: [restricted], copy: [restricted, ...copied], node: [restricted] },
    netadmin: { ephemeral: [netadmin], copy: [netadmin, ...copied], node: [netadmin, hostNamespaces] },
    sysadmin: {
      ephemeral: [privileged],
      copy: [privileged, ...copied],
      node: [privileged, hostNamespaces, hostRoot],
    },
  };
};

/** Changes the pod and its debugging container as the profile says. Throws a KubectlError for one that is not known. */
export function applyProfile(
  profile: string,
  style: Style,
  keep: Keep,
  pod: AnyObject,
  container: Container,
): void {
  for (const step of profileNamed(profile, keep)[style]) step(pod, container);
}

export function profileNamed(profile: string, keep: Keep): Record<Style, Step[]> {
  const all = profiles(keep);
  if (!Object.hasOwn(all, profile)) throw new KubectlError(`unknown profile: ${profile}`);
  return all[profile]!;
}
