import type { MutatingWebhook } from '../../api/admissionregistration/v1.gen.ts';
import { type AnyObject, clone, equal } from '../../machinery/meta.ts';
import { jsonPatch } from '../../machinery/patch/json.ts';
import { internalError, isStatusError } from '../../machinery/status.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { attributesOf } from './attributes.ts';
import { type Invocation, invocationOf, isExempt } from './call.ts';
import { type Hook, mutatingHooks } from './hooks.ts';
import { type Observe, outcomeOf } from './outcome.ts';
import { keepManagedFields, received } from './received.ts';

const NAME = 'MutatingAdmissionWebhook';

/** What the plugin remembers between the two rounds. */
interface Rounds {
  /** Webhooks called so far that want to know of what is changed after them. */
  called: Set<string>;
  /** Those of them for which there is something new. */
  again: Set<string>;
  /** The object as the first round left it. */
  output?: AnyObject;
}

/** Asks webhooks, one after the other, what they want changed. Source: "Dynamic Admission Control". */
export const mutatingWebhooks = (registry: Registry, observe: Observe): AdmissionPlugin => {
  const hooks = mutatingHooks(registry.caches);
  return {
    name: NAME,
    on: (admission) => hooks().length > 0 && !isExempt({ admission }),
    mutate: (admission) => askAll(registry, hooks(), admission, observe),
  };
};

function roundsOf(admission: Admission): Rounds {
  admission.reinvocation ??= { again: false, wanted: false, state: new Map() };
  const { state } = admission.reinvocation;
  let rounds = state.get(NAME) as Rounds | undefined;
  if (!rounds) {
    rounds = { called: new Set(), again: new Set() };
    state.set(NAME, rounds);
  }
  return rounds;
}

/** Those that were called, and want it, are called once more. */
function callAgain(rounds: Rounds): void {
  for (const id of rounds.called) rounds.again.add(id);
  rounds.called.clear();
}

async function askAll(
  registry: Registry,
  hooks: readonly Hook<MutatingWebhook>[],
  admission: Admission,
  observe: Observe,
): Promise<void> {
  const rounds = roundsOf(admission);
  const { reinvocation } = admission;
  const again = reinvocation!.again;
  if (again && rounds.output && !equal(rounds.output, admission.object)) callAgain(rounds);
  for (const [i, hook] of hooks.entries()) {
    if (again && !rounds.again.has(hook.id)) continue;
    const invocation = await invocationOf(registry, hook, attributesOf(admission), 'admit');
    if (!invocation) continue;
    const changed = await askOne(
      registry,
      invocation,
      admission,
      observe,
      `round_${again ? 1 : 0}_index_${i}`,
    );
    if (changed) {
      callAgain(rounds);
      reinvocation!.wanted = true;
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') rounds.called.add(hook.id);
  }
  if (rounds.called.size || rounds.again.size) rounds.output = clone(admission.object);
}

/** Whether the webhook changed the object. Throws what refuses the request. */
async function askOne(
  registry: Registry,
  invocation: Invocation<MutatingWebhook>,
  admission: Admission,
  observe: Observe,
  at: string,
): Promise<boolean> {
  const { hook } = invocation;
  const { context } = admission;
  const { name } = hook.webhook;
  const outcome = await outcomeOf(registry, invocation, 'admit', observe);
  const noted = (mutated: boolean) => {
    const annotation = { configuration: hook.configuration, webhook: name, mutated };
    context.annotations ??= {};
    context.annotations[`mutation.webhook.admission.k8s.io/${at}`] = JSON.stringify(annotation);
    return mutated;
  };
  if ('refused' in outcome) {
    noted(false);
    throw outcome.refused;
  }
  if ('ignored' in outcome) {
    noted(false);
    if (!outcome.ignored.canceled)
      context.annotations![`failed-open.mutation.webhook.admission.k8s.io/${at}`] = name;
    return false;
  }
  const { patch } = outcome.answer;
  if (!patch?.length) return noted(false);
  if (!admission.object) {
    throw internalError(
      `admission webhook ${JSON.stringify(name)} attempted to modify the object, which is not supported for this operation`,
    );
  }
  const before = admission.object;
  admission.object = await patched(registry, invocation, patch, admission);
  keepManagedFields(context, before, admission.object);
  context.detailedAnnotations ??= {};
  context.detailedAnnotations[`patch.webhook.admission.k8s.io/${at}`] = JSON.stringify({
    ...{ configuration: hook.configuration, webhook: name, patch, patchType: 'JSONPatch' },
  });
  return noted(!equal(before, admission.object));
}

/** The object after a webhook's patch. */
async function patched(
  registry: Registry,
  { asked, matched }: Invocation,
  patch: unknown[],
  admission: Admission,
): Promise<AnyObject> {
  let draft: AnyObject;
  try {
    draft = clone(jsonPatch(asked.object!, patch));
  } catch (error) {
    if (!isStatusError(error)) throw error;
    throw internalError(error.status.details?.causes?.[0]?.message ?? error.message);
  }
  return received(registry, draft, matched, admission);
}
