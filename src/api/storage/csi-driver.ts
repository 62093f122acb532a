import { field } from '../../machinery/status.ts';
import { oneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { CSIDriver } from './v1.gen.ts';

const SPEC = field('spec');

export const csiDrivers = kind<CSIDriver>({
  facts: 'storage.k8s.io/v1 CSIDriver',
  generation: 'spec',
  unconditionalUpdate: false,
  defaults(driver) {
    const spec = (driver.spec ??= {});
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate: ({ spec }) => [
    ...oneOf(spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], SPEC.child('fsGroupPolicy')),
    ...(spec.volumeLifecycleModes ?? []).flatMap((m) =>
      oneOf(m, ['Ephemeral', 'Persistent'], SPEC.child('volumeLifecycleModes')),
    ),
    ...(spec.tokenRequests ?? []).flatMap(({ audience, expirationSeconds }, i) => [
      ...(spec.tokenRequests!.findIndex((t) => t.audience === audience) < i
        ? [SPEC.child('tokenRequests', i, 'audience').duplicate(audience)]
        : []),
      ...(expirationSeconds !== undefined && expirationSeconds < 600
        ? [
            SPEC.child('tokenRequests', i, 'expirationSeconds').invalid(
              expirationSeconds,
              'may not specify a duration less than 10 minutes',
            ),
          ]
        : []),
      ...(expirationSeconds !== undefined && expirationSeconds > 2 ** 32
        ? [
            SPEC.child('tokenRequests', i, 'expirationSeconds').invalid(
              expirationSeconds,
              'may not specify a duration larger than 2^32 seconds',
            ),
          ]
        : []),
    ]),
    ...(spec.nodeAllocatableUpdatePeriodSeconds !== undefined && spec.nodeAllocatableUpdatePeriodSeconds < 10
      ? [
          SPEC.child('nodeAllocatableUpdatePeriodSeconds').invalid(
            spec.nodeAllocatableUpdatePeriodSeconds,
            'must be greater than or equal to 10 seconds',
          ),
        ]
      : []),
    ...(spec.serviceAccountTokenInSecrets !== undefined && !spec.tokenRequests?.length
      ? [
          SPEC.child('serviceAccountTokenInSecrets').invalid(
            spec.serviceAccountTokenInSecrets,
            'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
          ),
        ]
      : []),
  ],
  validateUpdate: ({ spec }, { spec: before }) => [
    ...immutable(spec.attachRequired, before.attachRequired, SPEC.child('attachedRequired')),
    ...immutable(spec.volumeLifecycleModes, before.volumeLifecycleModes, SPEC.child('volumeLifecycleModes')),
  ],
  columns: {
    AttachRequired: ({ spec }) => spec.attachRequired ?? true,
    PodInfoOnMount: ({ spec }) => spec.podInfoOnMount ?? false,
    StorageCapacity: ({ spec }) => spec.storageCapacity ?? false,
    TokenRequests: ({ spec }) => spec.tokenRequests?.map((t) => t.audience).join(',') ?? '<unset>',
    RequiresRepublish: ({ spec }) => spec.requiresRepublish ?? false,
    Modes: ({ spec }) => spec.volumeLifecycleModes?.join(',') || '<none>',
  },
});
