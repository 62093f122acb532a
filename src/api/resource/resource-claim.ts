import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { claimSpecErrors, claimStatusErrors, defaultClaimSpec, deviceKey } from './claim-validation.ts';
import type { ResourceClaim } from './v1.gen.ts';

/** `deleted`, `pending`, `allocated,reserved`. */
function stateText({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (status?.allocation) states.push('allocated', ...(status.reservedFor?.length ? ['reserved'] : []));
  else if (!metadata.deletionTimestamp) states.push('pending');
  return states.join(',');
}

export const resourceClaims = kind<ResourceClaim>({
  facts: 'resource.k8s.io/v1 ResourceClaim',
  defaults(claim) {
    claim.spec ??= {};
    defaultClaimSpec(claim.spec);
  },
  prepareCreate(claim) {
    claim.status = {};
  },
  /** What is said of devices goes with them. */
  prepareStatus(claim, old) {
    const { status } = claim;
    if (!status?.devices) return;
    const kept = new Set((status.allocation?.devices?.results ?? []).map(deviceKey));
    const gone = (old.status?.allocation?.devices?.results ?? []).map(deviceKey).filter((k) => !kept.has(k));
    status.devices = status.devices.filter((device) => !gone.includes(deviceKey(device)));
    if (!status.devices.length) delete status.devices;
  },
  validate: ({ spec }) => claimSpecErrors(spec, field('spec')),
  validateStatus: (claim, old) => claimStatusErrors(claim, old, field('status')),
  immutable: ['spec'],
  generation: false,
  columns: { State: stateText },
});
