import { kind } from '../define.ts';
import type { ValidatingWebhookConfiguration } from './v1.gen.ts';

export const validatingWebhookConfigurations = kind<ValidatingWebhookConfiguration>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration',
});
