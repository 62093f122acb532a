import { equal } from '../../machinery/meta.ts';
import { kind } from '../define.ts';
import type { ValidatingWebhookConfiguration } from './v1.gen.ts';
import { defaultWebhook, nameWarnings, webhooksErrors } from './webhooks.ts';

export const validatingWebhookConfigurations = kind<ValidatingWebhookConfiguration>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration',
  generation: (now, old) => !equal(now.webhooks ?? [], old.webhooks ?? []),
  unconditionalUpdate: false,
  defaults({ webhooks }) {
    for (const webhook of webhooks ?? []) defaultWebhook(webhook);
  },
  validate: ({ webhooks }) => webhooksErrors(webhooks),
  warnings: nameWarnings,
  columns: { Webhooks: ({ webhooks }) => webhooks?.length ?? 0 },
});
