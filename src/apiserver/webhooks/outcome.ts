import { isStatusError, type StatusError } from '../../machinery/status.ts';
import type { Registry } from '../registry/registry.ts';
import { CallFailure, call, failureOf, type Invocation } from './call.ts';
import type { Answer } from './review.ts';

/** How a call went, for those who count. */
export interface Observation {
  name: string;
  type: 'admit' | 'validating';
  operation: string;
  seconds: number;
  code: number;
  rejected: boolean;
  /** The request went on although there was no answer. */
  failedOpen: boolean;
  /** Why it was rejected: by the webhook's own answer, or because there was none. */
  error: 'no_error' | 'calling_webhook_error' | 'apiserver_internal_error';
  canceled: boolean;
}

export type Observe = (observation: Observation) => void;

/** An answer; why the request is refused; or a failure that its webhook wants to be passed over. */
export type Outcome = { answer: Answer } | { refused: StatusError } | { ignored: CallFailure };

/** Calls a webhook, and says what that means for the request. Never rejects for what a webhook does. */
export async function outcomeOf(
  registry: Registry,
  invocation: Invocation,
  type: Observation['type'],
  observe: Observe,
): Promise<Outcome> {
  const { hook, asked } = invocation;
  const { clock } = registry;
  const began = clock.now();
  const { operation } = asked.attributes.admission;
  const note = (more: Partial<Observation>) =>
    observe({
      ...{ name: hook.webhook.name, type, operation, seconds: (clock.now() - began) / 1000 },
      ...{ code: 200, rejected: false, failedOpen: false, error: 'no_error', canceled: false },
      ...more,
    });
  try {
    const answer = await call(registry, invocation, type === 'admit');
    note({});
    return { answer };
  } catch (error) {
    if (error instanceof CallFailure) {
      const { code, canceled } = error;
      const refused = failureOf(hook, error);
      note({ code, canceled, rejected: !!refused, failedOpen: !refused, error: 'calling_webhook_error' });
      return refused ? { refused } : { ignored: error };
    }
    if (!isStatusError(error)) throw error;
    note({ code: error.code, rejected: true });
    return { refused: error };
  }
}
