// Fields of a pod as its containers can see them, in environment variables and in files.
// https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
import type { ObjectFieldSelector, Pod, ResourceFieldSelector } from '../api/core/v1.gen.ts';
import { compareQuantity, integerValue, milliValue } from '../machinery/quantity.ts';
import type { ResourceList } from './pod-resources.ts';
import type { AnyContainer } from './pod-spec.ts';
import { findContainer } from './pod-spec.ts';

export interface DownwardFacts {
  pod: Pod;
  podIPs: string[];
  hostIPs: string[];
  /** Stands in for limits that are not set. */
  allocatable: ResourceList;
}

/** As Go quotes a string. */
const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u00a0]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const lines = (map: Readonly<Record<string, string>> = {}): string =>
  Object.keys(map)
    .sort()
    .map((key) => `${key}=${quote(map[key]!)}\n`)
    .join('');

/** The value of a field; throws for one that is not offered. */
export function fieldValue({ fieldPath }: ObjectFieldSelector, facts: DownwardFacts): string {
  const { metadata, spec } = facts.pod;
  const part = /^metadata\.(labels|annotations)\['(.*)'\]$/s.exec(fieldPath);
  if (part) return metadata[part[1] as 'labels' | 'annotations']?.[part[2]!] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name!;
    case 'metadata.namespace':
      return metadata.namespace!;
    case 'metadata.uid':
      return metadata.uid!;
    case 'metadata.labels':
      return lines(metadata.labels);
    case 'metadata.annotations':
      return lines(metadata.annotations);
    case 'spec.nodeName':
      return spec!.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec!.serviceAccountName ?? '';
    case 'status.hostIP':
      return facts.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return facts.hostIPs.join(',');
    case 'status.podIP':
      return facts.podIPs[0] ?? '';
    case 'status.podIPs':
      return facts.podIPs.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`);
  }
}

const limited = ['cpu', 'memory', 'ephemeral-storage'];

function quantityOf(
  kind: string,
  name: string,
  container: AnyContainer,
  facts: DownwardFacts,
): string | undefined {
  const own = container.resources?.[kind as 'limits' | 'requests']?.[name];
  if (kind !== 'limits' || !limited.includes(name) || compareQuantity(own, '0') !== 0) return own;
  // Without a limit of its own a container may use what the pod may, or what the node has.
  return facts.pod.spec!.resources?.limits?.[name] ?? facts.allocatable[name];
}

/** A container's request or limit in units of the divisor, rounded up. `fallback` is whose it is, unless it is named. */
export function resourceValue(
  { resource, containerName, divisor }: ResourceFieldSelector,
  facts: DownwardFacts,
  fallback?: AnyContainer,
): string {
  const container = containerName ? findContainer(facts.pod, containerName) : fallback;
  if (!container) throw new Error(`container ${containerName ?? ''} not found`);
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource);
  if (!match) throw new Error(`unsupported container resource : ${resource}`);
  const unit = divisor && compareQuantity(divisor, '0') !== 0 ? divisor : '1';
  const quantity = quantityOf(match[1]!, match[2]!, container, facts);
  const amount = match[2] === 'cpu' ? milliValue : integerValue;
  return String(Math.ceil(amount(quantity) / amount(unit)));
}
