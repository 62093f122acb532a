import type { ValidatingWebhook } from '../../api/admissionregistration/v1.gen.ts';
import type { StatusError } from '../../machinery/status.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { attributesOf } from './attributes.ts';
import { type Invocation, invocationOf, isExempt } from './call.ts';
import { type Hook, validatingHooks } from './hooks.ts';
import { type Observe, outcomeOf } from './outcome.ts';

/** Asks webhooks, all at a time, whether what will be stored may be. Source: "Dynamic Admission Control". */
export const validatingWebhooks = (registry: Registry, observe: Observe): AdmissionPlugin => {
  const hooks = validatingHooks(registry.caches);
  return {
    name: 'ValidatingAdmissionWebhook',
    on: (admission) => hooks().length > 0 && !isExempt({ admission }),
    validate: (admission) => askAll(registry, hooks(), admission, observe),
  };
};

async function askAll(
  registry: Registry,
  hooks: readonly Hook<ValidatingWebhook>[],
  admission: Admission,
  observe: Observe,
): Promise<void> {
  const attributes = attributesOf(admission);
  const invocations: Invocation<ValidatingWebhook>[] = [];
  for (const hook of hooks) {
    const invocation = await invocationOf(registry, hook, attributes, 'validating');
    if (invocation) invocations.push(invocation);
  }
  const refusals = await Promise.all(
    invocations.map(async (invocation, i): Promise<StatusError | undefined> => {
      const outcome = await outcomeOf(registry, invocation, 'validating', observe);
      if ('ignored' in outcome && !outcome.ignored.canceled) {
        const { context } = admission;
        context.annotations ??= {};
        context.annotations[`failed-open.validating.webhook.admission.k8s.io/round_0_index_${i}`] =
          invocation.hook.webhook.name;
      }
      return 'refused' in outcome ? outcome.refused : undefined;
    }),
  );
  const refused = refusals.find((r) => r !== undefined);
  if (refused) throw refused;
}
