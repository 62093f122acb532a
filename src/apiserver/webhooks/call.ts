// One call of one webhook, from the question whether it is to be called to what its answer means.
import type { MutatingWebhook, ValidatingWebhook } from '../../api/admissionregistration/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { badRequest, forbidden, internalError, type StatusError } from '../../machinery/status.ts';
import type { Callee } from '../outbound/outbound.ts';
import { postReview, ReviewError } from '../outbound/review.ts';
import { authorizerVariables, variablesOf } from '../policies/activation.ts';
import { conditionsHold } from '../policies/evaluation.ts';
import type { Registry } from '../registry/registry.ts';
import { type Attributes, requestOf } from './attributes.ts';
import type { Hook } from './hooks.ts';
import { convertTo, type Matched, matchRules, namespaceMatches, objectMatches } from './match.ts';
import {
  type Answer,
  type Asked,
  InvalidAnswer,
  readAnswer,
  refusal,
  reviewOf,
  reviewVersion,
} from './review.ts';

/** The webhook is to be called, with this. */
export interface Invocation<T extends Webhook = Webhook> {
  hook: Hook<T>;
  matched: Matched;
  asked: Asked;
}

type Webhook = ValidatingWebhook | MutatingWebhook;

/** There is no answer, or none that can be taken for one; failurePolicy says what that means. */
export class CallFailure extends Error {
  /** For metrics. */
  readonly code: number;
  /** The client is gone: nobody is to blame. */
  readonly canceled: boolean;
  constructor(name: string, why: string, code: number, canceled = false) {
    super(`failed calling webhook ${JSON.stringify(name)}: ${why}`);
    this.code = code;
    this.canceled = canceled;
  }
}

/** Whether a webhook wants to see a request, and in which form. Throws what refuses the request without asking it. */
export async function invocationOf<T extends Webhook>(
  registry: Registry,
  hook: Hook<T>,
  attributes: Attributes,
  type: 'admit' | 'validating',
): Promise<Invocation<T> | undefined> {
  const { caches, scheme, clock, metrics } = registry;
  const { webhook, conditions } = hook;
  if (!objectMatches(hook.objectSelector, attributes)) return undefined;
  const matched = matchRules(scheme, webhook.rules, attributes, webhook.matchPolicy !== 'Exact');
  if (!matched || !namespaceMatches(caches, hook.namespaceSelector, attributes)) return undefined;
  const asked = await inForm(attributes, matched);
  if (conditions.length) {
    const { object, old } = asked;
    const request = requestOf(attributes, matched);
    const variables = {
      ...variablesOf({ object, oldObject: old, request }),
      ...authorizerVariables(registry.authorizer, attributes),
    };
    const [began, errors] = [clock.now(), [] as string[]];
    const holds = conditionsHold(conditions, variables, errors);
    const { operation } = attributes.admission;
    const of = { name: webhook.name, kind: 'webhook', type, operation } as const;
    metrics.conditions.evaluated(of, clock.now() - began, errors.length, holds === false);
    if (holds === false) return undefined;
    if (holds instanceof Error) {
      if (webhook.failurePolicy === 'Ignore') return undefined;
      throw forbidden(attributes.admission.context.served.kind, attributes.name, holds.message);
    }
  }
  return { hook, matched, asked };
}

async function inForm(attributes: Attributes, { served, kind, resource }: Matched): Promise<Asked> {
  const { object, old, context, type } = attributes.admission;
  if (!served || type) return { attributes, kind, resource, object, old };
  const convert = async (given: AnyObject | undefined) =>
    given && { ...(await convertTo(context.served, served, given)) };
  return { attributes, kind, resource, object: await convert(object), old: await convert(old) };
}

/**
 * Asks a webhook. Resolves to its answer when it allows the request.
 * Rejects with CallFailure, or with the StatusError that refuses the request.
 */
export async function call(
  registry: Registry,
  { hook, asked }: Invocation,
  mutating: boolean,
): Promise<Answer> {
  const { webhook } = hook;
  const { name, sideEffects, timeoutSeconds, clientConfig } = webhook;
  if (asked.attributes.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun')
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  const version = reviewVersion(webhook.admissionReviewVersions);
  if (!version) {
    const why = 'webhook does not accept known AdmissionReview versions (v1, v1beta1)';
    throw new CallFailure(name, `could not create admission objects: ${why}`, 400);
  }
  const uid = registry.uuid();
  const review = reviewOf(version, uid, asked);
  const answer = readAnswerOf(
    name,
    await ask(registry, name, clientConfig as Callee, review, timeoutSeconds ?? 10),
    { version, uid, mutating },
  );
  const { context } = asked.attributes.admission;
  for (const [key, value] of Object.entries(answer.auditAnnotations)) {
    context.annotations ??= {};
    context.annotations[`${name}/${key}`] ??= value;
  }
  context.warnings.push(...answer.warnings);
  if (!answer.allowed) throw refusal(name, answer.result);
  return answer;
}

async function ask(
  { outbound }: Registry,
  name: string,
  callee: Callee,
  review: object,
  timeoutSeconds: number,
): Promise<unknown> {
  try {
    return await postReview(outbound, callee, review, { timeoutSeconds });
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    throw new CallFailure(name, `failed to call webhook: ${error.message}`, error.code, error.canceled);
  }
}

function readAnswerOf(
  name: string,
  review: unknown,
  { version, uid, mutating }: { version: 'v1' | 'v1beta1'; uid: string; mutating: boolean },
): Answer {
  try {
    return readAnswer(review, version, uid, mutating);
  } catch (error) {
    if (!(error instanceof InvalidAnswer)) throw error;
    throw new CallFailure(name, `received invalid webhook response: ${error.message}`, 503);
  }
}

/** What a failed call means to the client: nothing, where the webhook's failurePolicy is Ignore. */
export function failureOf(hook: Hook, failure: CallFailure): StatusError | undefined {
  return hook.webhook.failurePolicy === 'Ignore' ? undefined : internalError(failure.message);
}

const configurations = new Set([
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);
/** What says who is to be asked is not itself asked about: nobody could take a bad one away. */
export const isExempt = ({ admission: { context } }: Pick<Attributes, 'admission'>): boolean =>
  context.served.kind.group === 'admissionregistration.k8s.io' &&
  configurations.has(context.served.kind.kind);
