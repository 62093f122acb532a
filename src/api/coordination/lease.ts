import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import type { Lease, LeaseSpec } from './v1.gen.ts';

const SPEC = field('spec');

/** Coordinated leader election (KEP-4355) is not on unless asked for: what it needs is not kept. */
function dropCoordination(spec: LeaseSpec | undefined): void {
  delete spec?.strategy;
  delete spec?.preferredHolder;
}

export const leases = kind<Lease>({
  facts: 'coordination.k8s.io/v1 Lease',
  createOnUpdate: true,
  unconditionalUpdate: false,
  generation: false,
  prepareCreate({ spec }) {
    dropCoordination(spec);
  },
  prepareUpdate({ spec }, old) {
    if (!old.spec?.strategy) dropCoordination(spec);
  },
  validate({ spec = {} }) {
    const { leaseDurationSeconds: seconds, leaseTransitions: count } = spec;
    return [
      ...(seconds !== undefined && seconds <= 0
        ? [SPEC.child('leaseDurationSeconds').invalid(seconds, 'must be greater than 0')]
        : []),
      ...(count !== undefined && count < 0
        ? [SPEC.child('leaseTransitions').invalid(count, 'must be greater than or equal to 0')]
        : []),
      ...(spec.preferredHolder && !spec.strategy
        ? [SPEC.child('preferredHolder').forbidden('may only be specified if `strategy` is defined')]
        : []),
    ];
  },
  columns: { Holder: ({ spec }) => spec?.holderIdentity ?? '' },
});
