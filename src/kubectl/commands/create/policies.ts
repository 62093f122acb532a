import { canonicalQuantity, quantityProblem } from '../../../machinery/quantity.ts';
import { parseLabelSelector } from '../../../machinery/selectors.ts';
import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { namespaces, podDisruptionBudgets, priorityClasses, resourceQuotas } from '../../resources.ts';
import { createGenerated, generatorFlags, metadataOf, nameArgument } from './generate.ts';

export const createNamespace = command({
  name: 'namespace',
  aliases: ['ns'],
  usage: 'create namespace NAME [--dry-run=server|client|none]',
  summary: 'Create a namespace with the specified name',
  examples: [['Create a namespace', 'kubectl create namespace staging']],
  flags: generatorFlags,
  async run(context) {
    const name = nameArgument(context);
    await createGenerated(context, namespaces, { metadata: metadataOf(name), spec: {}, status: {} });
  },
});

/** `cpu=1,pods=2`. */
function amountsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((statement) => {
      const parts = statement.split('=');
      if (parts.length !== 2)
        throw new KubectlError(`Invalid argument syntax ${statement}, expected <resource>=<value>`);
      const problem = quantityProblem(parts[1]!);
      if (problem) throw new KubectlError(problem);
      return [parts[0]!, canonicalQuantity(parts[1]!)];
    }),
  );
}

export const createQuota = command({
  name: 'quota',
  aliases: ['resourcequota'],
  usage:
    'create quota NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2] [--dry-run=server|client|none]',
  summary: 'Create a quota with the specified name',
  examples: [['Create a quota', 'kubectl create quota small --hard=cpu=1,memory=1G,pods=2']],
  flags: {
    ...generatorFlags,
    hard: flag.string('A comma-delimited set of resource=quantity pairs that define a hard limit.'),
    scopes: flag.string(
      'A comma-delimited set of quota scopes that must all match each object tracked by the quota.',
    ),
  },
  async run(context) {
    const name = nameArgument(context);
    const { hard, scopes } = context.flags;
    const list = scopes ? scopes.split(',') : [];
    if (list.includes('')) throw new KubectlError('invalid resource quota scope ""');
    const spec = { ...(hard ? { hard: amountsOf(hard) } : {}), ...(list.length ? { scopes: list } : {}) };
    await createGenerated(
      context,
      resourceQuotas,
      { metadata: metadataOf(name), spec, status: {} },
      {
        failure: 'failed to create quota',
      },
    );
  },
});

/** A number or a percentage. */
const countOf = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);

/** A selector of a query as it stands in a spec. */
export function selectorOf(text: string): { matchLabels?: object; matchExpressions?: object[] } {
  const requirements = parseLabelSelector(text);
  const equal = requirements.filter((r) => r.operator === 'In' && r.values.length === 1);
  const others = requirements.filter((r) => !equal.includes(r));
  return {
    ...(others.length
      ? {
          matchExpressions: others.map(({ key, operator, values }) => ({
            key,
            operator,
            ...(values.length ? { values } : {}),
          })),
        }
      : {}),
    ...(equal.length ? { matchLabels: Object.fromEntries(equal.map((r) => [r.key, r.values[0]])) } : {}),
  };
}

export const createPodDisruptionBudget = command({
  name: 'poddisruptionbudget',
  aliases: ['pdb'],
  usage:
    'create poddisruptionbudget NAME --selector=SELECTOR --min-available=N [--dry-run=server|client|none]',
  summary: 'Create a pod disruption budget with the specified name',
  examples: [
    ['Keep one pod at least', 'kubectl create poddisruptionbudget web --selector=app=web --min-available=1'],
  ],
  flags: {
    ...generatorFlags,
    'max-unavailable': flag.string('The maximum number or percentage of unavailable pods.'),
    'min-available': flag.string('The minimum number or percentage of available pods.'),
    selector: flag.string('A label selector to use for this budget.'),
  },
  async run(context) {
    const name = nameArgument(context);
    const { 'max-unavailable': most, 'min-available': least, selector } = context.flags;
    if (!selector) throw new KubectlError('a selector must be specified');
    if (!most && !least) throw new KubectlError('one of min-available or max-unavailable must be specified');
    if (most && least) throw new KubectlError('min-available and max-unavailable cannot be both specified');
    const form = /^[0-9]+%?$/;
    if (least && !form.test(least)) throw new KubectlError('invalid format specified for min-available');
    if (most && !form.test(most)) throw new KubectlError('invalid format specified for max-unavailable');
    await createGenerated(
      context,
      podDisruptionBudgets,
      {
        metadata: metadataOf(name),
        spec: {
          ...(most ? { maxUnavailable: countOf(most) } : { minAvailable: countOf(least) }),
          selector: selectorOf(selector),
        },
        status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
      },
      { failure: 'failed to create poddisruptionbudgets' },
    );
  },
});

export const createPriorityClass = command({
  name: 'priorityclass',
  aliases: ['pc'],
  usage: 'create priorityclass NAME --value=VALUE --global-default=BOOL [--dry-run=server|client|none]',
  summary: 'Create a priority class with the specified name',
  examples: [
    ['Create a priority class', 'kubectl create priorityclass high --value=1000 --description="goes first"'],
  ],
  flags: {
    ...generatorFlags,
    description: flag.string(
      'An arbitrary string that usually provides guidelines on when to use this class.',
    ),
    'global-default': flag.bool('Whether this class is the default of pods without one.'),
    'preemption-policy': flag.string('The policy for preempting pods with lower priority.', {
      default: 'PreemptLowerPriority',
    }),
    value: flag.int('The value of this priority class.'),
  },
  async run(context) {
    const name = nameArgument(context);
    const { description, 'global-default': isDefault, 'preemption-policy': policy, value } = context.flags;
    await createGenerated(
      context,
      priorityClasses,
      {
        ...(description ? { description } : {}),
        ...(isDefault ? { globalDefault: true } : {}),
        metadata: metadataOf(name),
        preemptionPolicy: policy,
        value,
      },
      { failure: 'failed to create priorityclass' },
    );
  },
});
