import { equal } from '../../machinery/meta.ts';
import { kind } from '../define.ts';
import type { MutatingWebhookConfiguration } from './v1.gen.ts';
import { defaultWebhook, nameWarnings, webhooksErrors } from './webhooks.ts';

export const mutatingWebhookConfigurations = kind<MutatingWebhookConfiguration>({
  facts: 'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration',
  generation: (now, old) => !equal(now.webhooks ?? [], old.webhooks ?? []),
  unconditionalUpdate: false,
  defaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
  validate: ({ webhooks }) => webhooksErrors(webhooks),
  warnings: nameWarnings,
  columns: { Webhooks: ({ webhooks }) => webhooks?.length ?? 0 },
});
