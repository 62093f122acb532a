import { endpointSlices } from '../../../api/discovery/endpoint-slice.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/discovery/v1.gen.ts';
import { equal, type KubeObject } from '../../../machinery/meta.ts';
import { type Action, create, remove, update } from '../../runtime/actions.ts';

/** Endpoints that are reached at the same ports. */
export interface Group {
  addressType: string;
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

interface Frame {
  namespace: string;
  /** Names begin with this. */
  prefix: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  ownerReferences: KubeObject['metadata']['ownerReferences'];
  /** An annotation that changes only together with something else. */
  volatile: string;
  maxPerSlice: number;
}

const portsKey = (addressType: string, ports: EndpointPort[] | undefined): string =>
  addressType +
  (ports ?? [])
    .map((p) => JSON.stringify([p.name ?? '', p.protocol ?? 'TCP', p.port, p.appProtocol ?? '']))
    .sort()
    .join('');

const identity = (e: Endpoint): string => `${e.targetRef?.uid ?? ''}/${e.addresses[0]}`;

/**
 * Makes the slices hold the groups with as few writes as possible: an endpoint stays in the slice that has it; new ones fill
 * slices that are written anyway, then others with room, then new slices.
 */
export function arrange(groups: Group[], existing: EndpointSlice[], frame: Frame): Action[] {
  const actions: Action[] = [];
  const left = new Set(existing);
  for (const group of groups) {
    const key = portsKey(group.addressType, group.ports);
    const mine = existing.filter((s) => left.has(s) && portsKey(s.addressType, s.ports) === key);
    for (const slice of mine) left.delete(slice);
    actions.push(...arrangeGroup(group, mine, frame));
  }
  return [...actions, ...[...left].map((slice) => remove(endpointSlices, slice))];
}

function arrangeGroup(group: Group, slices: EndpointSlice[], frame: Frame): Action[] {
  const wanted = new Map(group.endpoints.map((e) => [identity(e), e]));
  const plans = slices.map((slice) => {
    const before = slice.endpoints ?? [];
    const kept = before.flatMap((e) => {
      const now = wanted.get(identity(e));
      wanted.delete(identity(e));
      return now ? [now] : [];
    });
    const changed = kept.length !== before.length || kept.some((e, i) => !equal(e, before[i]));
    return { slice, endpoints: kept, changed };
  });
  const added = [...wanted.values()];
  const byEagerness = plans.toSorted(
    (a, b) => Number(b.changed) - Number(a.changed) || b.endpoints.length - a.endpoints.length,
  );
  for (const plan of byEagerness) {
    const more = added.splice(0, Math.max(0, frame.maxPerSlice - plan.endpoints.length));
    if (more.length === 0) continue;
    plan.endpoints = [...plan.endpoints, ...more];
    plan.changed = true;
  }
  const actions: Action[] = [];
  // A group without endpoints keeps one slice: its presence says that there are none.
  let mayStayEmpty = group.endpoints.length === 0;
  for (const { slice, endpoints, changed } of plans) {
    const keep = endpoints.length > 0 || mayStayEmpty;
    if (!keep) actions.push(remove(endpointSlices, slice));
    else if (changed || !sameFrame(slice, frame))
      actions.push(update(endpointSlices, framed(frame, { ...slice, endpoints })));
    if (endpoints.length === 0) mayStayEmpty = false;
  }
  const isMissing = group.endpoints.length === 0 && slices.length === 0;
  for (let i = 0; i < added.length || (i === 0 && isMissing); i += frame.maxPerSlice) {
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: frame.namespace, generateName: frame.prefix },
      addressType: group.addressType,
      endpoints: added.slice(i, i + frame.maxPerSlice),
      ports: group.ports,
    };
    actions.push(create(endpointSlices, framed(frame, slice)));
  }
  return actions;
}

const framed = (frame: Frame, slice: EndpointSlice): EndpointSlice => ({
  ...slice,
  metadata: {
    ...slice.metadata,
    labels: frame.labels,
    annotations: frame.annotations,
    ownerReferences: frame.ownerReferences,
  },
});

function sameFrame({ metadata }: EndpointSlice, frame: Frame): boolean {
  const without = (map: Record<string, string> = {}) => ({ ...map, [frame.volatile]: '' });
  return (
    equal(metadata.labels ?? {}, frame.labels) &&
    equal(without(metadata.annotations), without(frame.annotations))
  );
}
