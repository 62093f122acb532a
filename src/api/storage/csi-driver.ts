import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { field } from '../../machinery/status.ts';
import { oneOf, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { CSIDriver } from './v1.gen.ts';

const SPEC = field('spec');

export const csiDrivers = kind<CSIDriver>({
  facts: 'storage.k8s.io/v1 CSIDriver',
  generation: 'spec',
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
  validate: ({ spec, metadata }) => [
    ...problems(
      (metadata.name?.length ?? 0) > 63
        ? ['must be no more than 63 bytes']
        : dnsSubdomainProblems((metadata.name ?? '').toLowerCase()),
      metadata.name,
      field('name'),
    ),
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
    ]),
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
