import { time } from '../../machinery/clock.ts';
import { kind } from '../define.ts';
import { sliceErrors } from './slice-validation.ts';
import type { ResourceSlice, ResourceSliceSpec } from './v1.gen.ts';

/** Taints say since when they are there. */
function stampTaints({ spec }: ResourceSlice, nowMs: number): void {
  for (const { taints } of spec.devices ?? [])
    for (const taint of taints ?? []) taint.timeAdded ??= time(nowMs);
}

export const resourceSlices = kind<ResourceSlice>({
  facts: 'resource.k8s.io/v1 ResourceSlice',
  defaults(slice) {
    slice.spec ??= {} as ResourceSliceSpec;
    for (const { nodeAllocatableResourceMappings: mappings } of slice.spec.devices ?? [])
      for (const name in mappings) mappings[name]!.allocationMultiplier ??= '1';
  },
  prepareCreate: (slice, { nowMs }) => stampTaints(slice, nowMs),
  prepareUpdate: (slice, _old, { nowMs }) => stampTaints(slice, nowMs),
  validate: ({ spec }) => sliceErrors(spec),
  immutable: ['spec.pool.name', 'spec.driver', 'spec.nodeName'],
  generation: 'spec',
  fieldSelectors: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.driver': ({ spec }) => spec.driver ?? '',
  },
  columns: {
    Node: ({ spec }) => spec.nodeName ?? '',
    Driver: ({ spec }) => spec.driver,
    Pool: ({ spec }) => spec.pool?.name ?? '',
  },
});
