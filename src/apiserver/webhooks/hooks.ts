// The webhooks of all configurations, as the caches have them now, in the order in which they are called.
import type { Compiled } from '../../api/admissionregistration/expressions.ts';
import { compileMatchCondition } from '../../api/admissionregistration/match-conditions.ts';
import { mutatingWebhookConfigurations } from '../../api/admissionregistration/mutating-webhook-configuration.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../../api/admissionregistration/v1.gen.ts';
import { validatingWebhookConfigurations } from '../../api/admissionregistration/validating-webhook-configuration.ts';
import type { Kind } from '../../machinery/kind.ts';
import { labelSelectorRequirements, type Requirement } from '../../machinery/selectors.ts';
import type { Caches } from '../cache/caches.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';

export interface Hook<T = ValidatingWebhook | MutatingWebhook> {
  webhook: T;
  /** The name of its configuration. */
  configuration: string;
  /** `configuration/webhook/N`, N counting those of the same name. */
  id: string;
  namespaceSelector: Requirement[];
  objectSelector: Requirement[];
  /** All must hold for it to be called. */
  conditions: readonly Compiled[];
}

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;

/** Gives the webhooks of a kind of configurations; looks at them again only after one has changed. */
function hooksOf<T extends ValidatingWebhook | MutatingWebhook>(
  caches: Caches,
  kind: Kind<any>,
): () => readonly Hook<T>[] {
  let known: readonly Hook<T>[] = [];
  let seen = -1;
  let cache: ResourceCache | undefined;
  return () => {
    cache ??= caches.of(kind);
    if (!cache || cache.changed === seen) return known;
    seen = cache.changed;
    // Entries are in the order of their names.
    known = [...cache.entries.values()].flatMap((entry) => {
      const made = compiled.get(entry.object) ?? hooks(entry.object as unknown as Configuration);
      compiled.set(entry.object, made);
      return made as Hook<T>[];
    });
    return known;
  };
}

/** By the configuration: one that has not changed is not compiled again. */
const compiled = new WeakMap<object, Hook[]>();

function hooks({ metadata, webhooks = [] }: Configuration): Hook[] {
  const counts = new Map<string, number>();
  return webhooks.map((webhook) => {
    const n = counts.get(webhook.name) ?? 0;
    counts.set(webhook.name, n + 1);
    const { namespaceSelector = {}, objectSelector = {}, matchConditions = [] } = webhook;
    return {
      webhook,
      configuration: metadata.name!,
      id: `${metadata.name}/${webhook.name}/${n}`,
      namespaceSelector: labelSelectorRequirements(namespaceSelector),
      objectSelector: labelSelectorRequirements(objectSelector),
      conditions: matchConditions.map(({ expression }) => compileMatchCondition(expression.trim(), false)),
    };
  });
}

export const mutatingHooks = (caches: Caches) =>
  hooksOf<MutatingWebhook>(caches, mutatingWebhookConfigurations);
export const validatingHooks = (caches: Caches) =>
  hooksOf<ValidatingWebhook>(caches, validatingWebhookConfigurations);
