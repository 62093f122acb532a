import { type Compiled, PolicyCompiler } from '../../api/admissionregistration/expressions.ts';
import { mutatingAdmissionPolicies } from '../../api/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from '../../api/admissionregistration/mutating-admission-policy-binding.ts';
import type { MutatingAdmissionPolicySpec } from '../../api/admissionregistration/v1.gen.ts';
import { clone, equal } from '../../machinery/meta.ts';
import { schemaNode } from '../../machinery/schema-node.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Admission } from '../context.ts';
import { typeIdOf } from '../http/encode.ts';
import { errorTypeOf } from '../metrics/policy-metrics.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { type Attributes, attributesOf } from '../webhooks/attributes.ts';
import type { Matched } from '../webhooks/match.ts';
import { keepManagedFields, received } from '../webhooks/received.ts';
import { authorizerVariables, type Seen, type Variables, variablesOf } from './activation.ts';
import { conditionsOf, variablesIn } from './compiled.ts';
import { conditionsHold, Evaluation, type NamedExpression, OutOfBudget } from './evaluation.ts';
import { type Hook, hooksOf, type Policy } from './hooks.ts';
import { type Invocation, type Misconfigured, seenBy, select } from './invocations.ts';
import { isExempt } from './match.ts';
import { applied, MutationError, patchedBy } from './patch.ts';
import { nameOf } from './validating.ts';

const NAME = 'MutatingAdmissionPolicy';

interface Mutations {
  conditions: readonly Compiled[];
  variables: readonly NamedExpression[];
  mutations: readonly { apply: boolean; expression: Compiled }[];
}

/** Changes what is written as policies in CEL say. */
export const mutatingPolicies = (registry: Registry): AdmissionPlugin => {
  const hooks = hooksOf(
    registry.caches,
    mutatingAdmissionPolicies,
    mutatingAdmissionPolicyBindings,
    mutationsOf,
  );
  return {
    name: NAME,
    on: ({ context }) => hooks().length > 0 && !isExempt(context.served.kind),
    mutate: (admission) => askAll(registry, hooks(), admission),
  };
};

function mutationsOf({ spec }: Policy): Mutations {
  const { mutations = [], paramKind } = spec as MutatingAdmissionPolicySpec;
  const compiler = new PolicyCompiler();
  const offer = { params: paramKind !== undefined, authorizer: true, patches: true };
  return {
    conditions: conditionsOf(spec),
    variables: variablesIn(spec, compiler),
    mutations: mutations.map(({ patchType, applyConfiguration, jsonPatch: patch }) => {
      const apply = patchType === 'ApplyConfiguration';
      const { expression = '' } = (apply ? applyConfiguration : patch) ?? {};
      return { apply, expression: compiler.expression(expression.trim(), apply ? 'object' : 'patch', offer) };
    }),
  };
}

/** What the plugin remembers between the two rounds. */
interface Rounds {
  /** What was called so far, and wants to know of what is changed after it. */
  called: Set<string>;
  /** Of that, what there is something new for. */
  again: Set<string>;
  /** The object as the first round left it. */
  output?: unknown;
}

function roundsOf(admission: Admission): Rounds {
  admission.reinvocation ??= { again: false, wanted: false, state: new Map() };
  const { state } = admission.reinvocation;
  const rounds = (state.get(NAME) as Rounds | undefined) ?? { called: new Set(), again: new Set() };
  state.set(NAME, rounds);
  return rounds;
}

function callAgain({ called, again }: Rounds): void {
  for (const key of called) again.add(key);
  called.clear();
}

const keyOf = ({ hook, binding, param }: Invocation<Mutations>): string =>
  JSON.stringify([hook.name, binding.name, param?.metadata.namespace, param?.metadata.name]);

interface Failure extends Misconfigured<Mutations> {
  reason: string;
}

async function askAll(
  registry: Registry,
  hooks: readonly Hook<Mutations>[],
  admission: Admission,
): Promise<void> {
  const { invocations, misconfigured } = await select(registry, hooks, attributesOf(admission));
  const failures: Failure[] = misconfigured.map((one) => ({ ...one, reason: 'Forbidden' }));
  if (invocations.length) failures.push(...(await invokeAll(registry, invocations, admission)));
  const counted = failures.filter(({ hook }) => hook.policy.spec.failurePolicy !== 'Ignore');
  if (counted.length) throw refusal(attributesOf(admission), counted);
}

async function invokeAll(
  registry: Registry,
  invocations: Invocation<Mutations>[],
  admission: Admission,
): Promise<Failure[]> {
  const rounds = roundsOf(admission);
  const { again } = admission.reinvocation!;
  if (again && rounds.output && !equal(rounds.output, admission.object)) callAgain(rounds);
  const failures: Failure[] = [];
  let changed = false;
  for (const invocation of invocations) {
    const key = keyOf(invocation);
    if (again && !rounds.again.has(key)) continue;
    const before = admission.object;
    const called = await invoke(registry, invocation, admission, (message) =>
      failures.push({ ...invocation, message, reason: 'Invalid' }),
    );
    if (!called) continue;
    if (!equal(before, admission.object)) {
      changed = true;
      callAgain(rounds);
    }
    if (invocation.hook.policy.spec.reinvocationPolicy === 'IfNeeded') rounds.called.add(key);
  }
  if (changed) {
    // A policy that wants to be asked again is, also after a change of its own.
    callAgain(rounds);
    admission.reinvocation!.wanted = true;
  }
  if (rounds.called.size || rounds.again.size) rounds.output = clone(admission.object);
  return failures;
}

/** Makes the mutations of a policy, one after the other. Resolves to whether its conditions hold. */
async function invoke(
  registry: Registry,
  invocation: Invocation<Mutations>,
  admission: Admission,
  failed: (message: string) => void,
): Promise<boolean> {
  const { hook, binding, matched, param } = invocation;
  const { clock, metrics } = registry;
  const { conditions, mutations } = hook.compiled;
  const authorizer = authorizerVariables(registry.authorizer, attributesOf(admission));
  const seen = async () => seenBy(registry, attributesOf(admission), matched, param);
  if (conditions.length) {
    const variables = { ...variablesOf(await seen()), ...authorizer, namespaceObject: null };
    const [began, errors] = [clock.now(), [] as string[]];
    const holds = conditionsHold(conditions, variables, errors);
    const { operation } = admission;
    const of = { name: hook.name, kind: 'policy', type: 'validate', operation } as const;
    metrics.conditions.evaluated(of, clock.now() - began, errors.length, false);
    if (holds instanceof Error) failed(holds.message);
    if (holds !== true) return false;
  }
  for (const mutation of mutations) {
    if (!admission.object) continue;
    const began = clock.now();
    let problem: string | undefined;
    try {
      await mutate(registry, { hook, matched, seen: await seen() }, admission, mutation, authorizer);
    } catch (error) {
      if (!(error instanceof MutationError || error instanceof OutOfBudget)) throw error;
      problem = error.message;
      failed(problem);
    }
    const error = problem === undefined ? 'no_error' : errorTypeOf(problem);
    metrics.policies.mutated(hook.name, binding.name, error, clock.now() - began);
  }
  return true;
}

async function mutate(
  registry: Registry,
  { hook, matched, seen }: { hook: Hook<Mutations>; matched: Matched; seen: Seen },
  admission: Admission,
  { apply, expression }: Mutations['mutations'][number],
  authorizer: Variables,
): Promise<void> {
  const evaluation = new Evaluation({ ...variablesOf(seen), ...authorizer }, hook.compiled.variables);
  const outcome = evaluation.evaluate(expression);
  if ('error' in outcome) throw new MutationError(outcome.error);
  const object = seen.object!;
  const { type, context } = admission;
  const { kind } = matched.served ?? context.served;
  const typeId = type ? typeIdOf(registry.scheme, object.apiVersion ?? '', type.kind) : kind.type;
  const patched = apply
    ? applied(typeId ? schemaNode(registry.schemas, typeId) : undefined, object, outcome.value)
    : patchedBy(object, outcome.value);
  if (patched === object) return;
  const before = admission.object!;
  admission.object = await received(registry, clone(patched), matched, admission);
  keepManagedFields(context, before, admission.object);
}

function refusal(attributes: Attributes, failures: Failure[]) {
  const texts = failures.map(({ hook, binding, message }) => {
    const by = binding ? `'${hook.name}' with binding '${binding.name}'` : JSON.stringify(hook.name);
    return `policy ${by} denied request: ${message}`;
  });
  const error = forbidden(attributes.admission.context.served.kind, nameOf(attributes), '');
  const { status } = error;
  error.message = texts[0]!;
  status.message = texts[0]!;
  status.reason = failures[0]!.reason;
  status.details = { ...status.details, causes: texts.map((message) => ({ message })) };
  return error;
}
