// AdmissionReview: what a webhook is asked, and what it may answer.
import type { AnyObject } from '../../machinery/meta.ts';
import { type Status, StatusError } from '../../machinery/status.ts';
import type { TypeName } from '../context.ts';
import { type Attributes, type ResourceName, requestOf } from './attributes.ts';

export type ReviewVersion = 'v1' | 'v1beta1';

/** The first version that both sides know. */
export const reviewVersion = (accepted: string[]): ReviewVersion | undefined =>
  accepted.find((v): v is ReviewVersion => v === 'v1' || v === 'v1beta1');

export interface Asked {
  attributes: Attributes;
  /** The form that the webhook wants, and the objects in it. */
  kind: TypeName;
  resource: ResourceName;
  object: AnyObject | undefined;
  old: AnyObject | undefined;
}

export const reviewOf = (version: ReviewVersion, uid: string, asked: Asked): object => ({
  kind: 'AdmissionReview',
  apiVersion: `admission.k8s.io/${version}`,
  request: {
    uid,
    ...requestOf(asked.attributes, asked),
    object: asked.object ?? null,
    oldObject: asked.old ?? null,
  },
});

export interface Answer {
  allowed: boolean;
  result: Partial<Status> | undefined;
  /** The operations of a JSON Patch; undefined where the webhook has none. */
  patch: unknown[] | undefined;
  warnings: string[];
  auditAnnotations: Record<string, string>;
}

/** An answer that breaks the rules of AdmissionReview. */
export class InvalidAnswer extends Error {}

/** Reads an answer. Throws InvalidAnswer. */
export function readAnswer(review: any, version: ReviewVersion, uid: string, mutating: boolean): Answer {
  const { kind = '', apiVersion = '', response } = review;
  if (!response) throw new InvalidAnswer('webhook response was absent');
  // The older version was never so strict.
  if (version === 'v1') checkStrictly({ kind, apiVersion, response }, uid, mutating);
  return {
    allowed: response.allowed === true,
    result: response.status ?? undefined,
    patch: mutating && response.patch ? decodePatch(response.patch) : undefined,
    warnings: texts(response.warnings),
    auditAnnotations: response.auditAnnotations ?? {},
  };
}

function checkStrictly(
  { kind, apiVersion, response }: { kind: string; apiVersion: string; response: any },
  uid: string,
  mutating: boolean,
): void {
  if (response.uid !== uid)
    throw new InvalidAnswer(
      `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    );
  if (kind !== 'AdmissionReview' || apiVersion !== 'admission.k8s.io/v1') {
    const got = `${apiVersion || '/'}, Kind=${kind}`;
    throw new InvalidAnswer(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${got}`,
    );
  }
  const { patch, patchType } = response;
  const typed = patchType !== undefined && patchType !== null;
  if (!mutating && patch) throw new InvalidAnswer('validating webhook may not return response.patch');
  if (!mutating && typed) throw new InvalidAnswer('validating webhook may not return response.patchType');
  if (!mutating) return;
  if (patch && !typed) throw new InvalidAnswer('webhook returned response.patch but not response.patchType');
  if (!patch && typed) throw new InvalidAnswer('webhook returned response.patchType but not response.patch');
  if (typed && !patchType)
    throw new InvalidAnswer(`webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`);
  if (patch && patchType !== 'JSONPatch')
    throw new InvalidAnswer(`unsupported patch type ${JSON.stringify(patchType)}`);
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];

function decodePatch(encoded: unknown): unknown[] {
  try {
    const bytes = Uint8Array.from(atob(String(encoded)), (c) => c.charCodeAt(0));
    const patch = JSON.parse(new TextDecoder().decode(bytes));
    if (Array.isArray(patch)) return patch;
    throw new SyntaxError('it is not an array');
  } catch (error) {
    throw new InvalidAnswer(`received undecodable patch in webhook response: ${(error as Error).message}`);
  }
}

/** What the client is told of a refusal: the webhook's own Status, made sure that it is one of a failure. */
export function refusal(name: string, result: Partial<Status> | undefined): StatusError {
  const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
  const { message, reason, code = 0, details, metadata } = result ?? {};
  const text = message
    ? `${denied}: ${message}`
    : reason
      ? `${denied}: ${reason}`
      : `${denied} without explanation`;
  const status = result?.status && result.status !== 'Success' ? result.status : 'Failure';
  const error = new StatusError(Math.max(code, 400), reason ?? '', text, details);
  Object.assign(error.status, { status, metadata: metadata ?? {} });
  if (!reason) delete error.status.reason;
  return error;
}
