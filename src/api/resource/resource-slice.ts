import { time } from '../../machinery/clock.ts';
import { dnsLabelProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { present, problems } from '../checks.ts';
import { nodeSelectorErrors } from '../core/scheduling-validation.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { ResourceSlice } from './v1.gen.ts';

const SPEC = field('spec');

function placeErrors({ spec }: ResourceSlice): FieldError[] {
  const places = [spec.nodeName, spec.nodeSelector, spec.allNodes, spec.perDeviceNodeSelection].filter(
    Boolean,
  );
  if (!places.length)
    return [
      SPEC.required(
        'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
      ),
    ];
  if (places.length > 1)
    return [
      SPEC.invalid(
        null,
        'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
      ),
    ];
  return spec.nodeSelector ? nodeSelectorErrors(spec.nodeSelector, SPEC.child('nodeSelector')) : [];
}

export const resourceSlices = kind<ResourceSlice>({
  facts: 'resource.k8s.io/v1 ResourceSlice',
  generation: 'spec',
  prepareCreate({ spec }, { nowMs }) {
    for (const { taints } of spec.devices ?? [])
      for (const taint of taints ?? []) taint.timeAdded ??= time(nowMs);
  },
  validate: (slice) => {
    const { driver, pool, devices = [] } = slice.spec;
    return [
      ...present(driver, SPEC.child('driver')),
      ...present(pool?.name, SPEC.child('pool', 'name')),
      ...((pool?.resourceSliceCount ?? 0) <= 0
        ? [
            SPEC.child('pool', 'resourceSliceCount').invalid(
              pool?.resourceSliceCount ?? 0,
              'must be greater than zero',
            ),
          ]
        : []),
      ...placeErrors(slice),
      ...(devices.length > 128 ? [SPEC.child('devices').tooMany(devices.length, 128)] : []),
      ...devices.flatMap(({ name }, i) => [
        ...problems(dnsLabelProblems(name ?? ''), name, SPEC.child('devices', i, 'name')),
        ...(devices.findIndex((d) => d.name === name) < i
          ? [SPEC.child('devices', i, 'name').duplicate(name)]
          : []),
      ]),
    ];
  },
  validateUpdate: ({ spec }, { spec: before }) => [
    ...immutable(spec.nodeName, before.nodeName, SPEC.child('nodeName')),
    ...immutable(spec.driver, before.driver, SPEC.child('driver')),
    ...immutable(spec.pool?.name, before.pool?.name, SPEC.child('pool', 'name')),
  ],
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
