import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { defaultDevices, devicesErrors } from './device-requests.ts';
import type { ResourceClaim } from './v1.gen.ts';

function state({ metadata, status }: ResourceClaim): string {
  const words: string[] = metadata.deletionTimestamp ? ['deleted'] : [];
  if (status?.allocation) words.push('allocated', ...(status.reservedFor?.length ? ['reserved'] : []));
  else if (!metadata.deletionTimestamp) words.push('pending');
  return words.join(',');
}

export const resourceClaims = kind<ResourceClaim>({
  facts: 'resource.k8s.io/v1 ResourceClaim',
  generation: false,
  defaults: ({ spec }) => defaultDevices(spec?.devices),
  prepareCreate(claim) {
    claim.status = {};
  },
  validate: ({ spec }) => devicesErrors(spec?.devices, field('spec', 'devices')),
  validateUpdate: (now, old) => immutable(now.spec, old.spec, field('spec')),
  validateStatus({ status }, old) {
    const errors =
      old.status?.allocation && status?.allocation
        ? immutable(status.allocation, old.status.allocation, field('status', 'allocation'))
        : [];
    if (!status?.allocation && status?.reservedFor?.length)
      errors.push(
        field('status', 'reservedFor').forbidden('may not be specified when `allocated` is not set'),
      );
    return errors;
  },
  columns: { State: state },
});
