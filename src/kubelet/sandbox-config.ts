import type { Pod } from '../api/core/v1.gen.ts';
import type { PodSandboxConfig, PortMapping } from '../cri/cri.ts';
import { Protocol } from '../cri/cri.ts';
import { integerValue, milliValue } from '../machinery/quantity.ts';
import type { Resolver } from './dns-config.ts';
import { kernelHostname, podHostname } from './hostname.ts';
import { cpuPeriod, cpuShares, podCgroup, podCgroupSettings } from './pod-resources.ts';
import { initContainersOf, isHostNetwork, isSidecar } from './pod-spec.ts';
import { podAnnotations, podLabels } from './runtime-labels.ts';
import { sandboxSecurity } from './security-context.ts';

export interface SandboxInput {
  pod: Pod;
  attempt: number;
  logDirectory: string;
  resolver: Resolver;
  clusterDomain: string;
  cgroupRoot: string;
}

function portMappings(pod: Pod): PortMapping[] {
  if (isHostNetwork(pod)) return [];
  return [...initContainersOf(pod).filter(isSidecar), ...pod.spec!.containers].flatMap(({ ports }) =>
    (ports ?? []).map((port) => ({
      protocol: Protocol[(port.protocol ?? 'TCP') as keyof typeof Protocol],
      containerPort: port.containerPort,
      hostPort: port.hostPort ?? 0,
      hostIp: port.hostIP ?? '',
    })),
  );
}

/** What the runtime makes a pod's sandbox from. The same for the same pod and attempt: it is given again per container. */
export function sandboxConfig(input: SandboxInput): PodSandboxConfig {
  const { pod, attempt, resolver } = input;
  const { name, namespace, uid } = pod.metadata;
  const settings = podCgroupSettings(pod);
  const overhead = pod.spec!.overhead;
  return {
    metadata: { name, namespace, uid, attempt },
    ...(isHostNetwork(pod) ? {} : { hostname: kernelHostname(pod, podHostname(pod, input.clusterDomain)) }),
    logDirectory: input.logDirectory,
    dnsConfig: { servers: resolver.servers, searches: resolver.searches, options: resolver.options },
    portMappings: portMappings(pod),
    labels: podLabels(pod),
    annotations: podAnnotations(pod),
    linux: {
      cgroupParent: podCgroup(pod, input.cgroupRoot),
      securityContext: sandboxSecurity(pod),
      // The runtime wants dots where the API takes slashes too.
      sysctls: Object.fromEntries(
        (pod.spec!.securityContext?.sysctls ?? []).map((sysctl) => [
          sysctl.name.replaceAll('/', '.'),
          sysctl.value,
        ]),
      ),
      resources: {
        cpuShares: settings.cpuShares,
        cpuPeriod,
        ...(settings.cpuQuota !== undefined ? { cpuQuota: settings.cpuQuota } : {}),
        ...(settings.memoryBytes !== undefined ? { memoryLimitInBytes: settings.memoryBytes } : {}),
      },
      ...(overhead
        ? {
            overhead: {
              cpuShares: cpuShares(milliValue(overhead.cpu)),
              memoryLimitInBytes: integerValue(overhead.memory),
            },
          }
        : {}),
    },
  };
}
