import { kind } from '../define.ts';
import type { MutatingWebhookConfiguration } from './v1.gen.ts';

export const mutatingWebhookConfigurations = kind<MutatingWebhookConfiguration>({
  facts: 'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration',
});
