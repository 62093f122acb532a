import { equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { mandatoryLevels } from './bootstrap.ts';
import type { PriorityLevelConfiguration } from './v1.gen.ts';

const SPEC = field('spec');
const NONE = '<none>';

function defaults({ spec }: PriorityLevelConfiguration): void {
  const { limited, exempt } = spec ?? {};
  if (exempt) {
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  if (!limited) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

function specErrors({ spec }: PriorityLevelConfiguration): FieldError[] {
  const { type, limited, exempt } = spec ?? {};
  if (type === 'Exempt')
    return limited
      ? [SPEC.child('limited').forbidden('must be nil if the type is not Limited')]
      : notNegative(exempt?.nominalConcurrencyShares, SPEC.child('exempt', 'nominalConcurrencyShares'));
  if (type !== 'Limited') return [SPEC.child('type').notSupported(type, ['Exempt', 'Limited'])];
  const at = SPEC.child('limited');
  if (!limited) return [at.required('must not be empty when type is Limited')];
  const errors = notNegative(limited.nominalConcurrencyShares, at.child('nominalConcurrencyShares'));
  const { type: response, queuing } = limited.limitResponse ?? {};
  const where = at.child('limitResponse');
  if (response !== 'Queue' && response !== 'Reject')
    errors.push(where.child('type').notSupported(response, ['Queue', 'Reject']));
  if (response === 'Queue' && !queuing)
    errors.push(where.child('queuing').required('must not be empty if limited.limitResponse.type is Queue'));
  if (response === 'Reject' && queuing)
    errors.push(where.child('queuing').forbidden('must be nil if limited.limitResponse.type is not Limited'));
  if (queuing && queuing.handSize! > queuing.queues!)
    errors.push(
      where
        .child('queuing', 'handSize')
        .invalid(queuing.handSize, `should not be greater than queues (${queuing.queues})`),
    );
  return errors;
}

/** Of the mandatory levels, only the seats of `exempt` are the administrator's to say. */
function mandatoryErrors({ metadata: { name }, spec }: PriorityLevelConfiguration): FieldError[] {
  if ((name === 'exempt') !== (spec?.type === 'Exempt'))
    return [SPEC.child('type').invalid(spec?.type, "must be 'Exempt' if and only if `name` is 'exempt'")];
  const fixed = mandatoryLevels.find((level) => level.metadata.name === name)?.spec;
  const rest = ({ exempt: _, ...more }: PriorityLevelConfiguration['spec']) => more;
  if (!fixed || equal(rest(fixed), rest(spec))) return [];
  const except = name === 'exempt' ? " except the 'spec.exempt' field" : '';
  return [SPEC.invalid(spec, `spec of '${name}'${except} must equal the fixed value`)];
}

export const priorityLevelConfigurations = kind<PriorityLevelConfiguration>({
  facts: 'flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration',
  generation: 'spec',
  defaults,
  prepareCreate(level) {
    level.status = {};
  },
  validate: (level) => [...specErrors(level), ...mandatoryErrors(level)],
  columns: {
    Type: ({ spec }) => spec?.type ?? '',
    NominalConcurrencyShares: ({ spec }) => spec?.limited?.nominalConcurrencyShares ?? NONE,
    Queues: ({ spec }) => spec?.limited?.limitResponse?.queuing?.queues ?? NONE,
    HandSize: ({ spec }) => spec?.limited?.limitResponse?.queuing?.handSize ?? NONE,
    QueueLengthLimit: ({ spec }) => spec?.limited?.limitResponse?.queuing?.queueLengthLimit ?? NONE,
  },
});
