// Custom resources in several versions. What the store has may be of an older version, or of an older schema.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
import type { CustomResourceDefinition } from '../../api/apiextensions/v1.gen.ts';
import { annotationsErrors } from '../../api/meta.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import { type AnyObject, clone, equal } from '../../machinery/meta.ts';
import { labelsErrors } from '../../machinery/selectors.ts';
import { field, internalError } from '../../machinery/status.ts';
import type { CustomSchema } from '../../machinery/structural/custom-schema.ts';
import type { Entry } from '../cache/entry.ts';
import type { ConversionFailure } from '../metrics/custom-metrics.ts';
import type { Callee } from '../outbound/outbound.ts';
import { postReview, ReviewError } from '../outbound/review.ts';
import type { Registry } from '../registry/registry.ts';
import { after, type Converter, type MaybePromise } from '../registry/view.ts';

/** A version of a definition, served or not. */
export interface Form {
  kind: Kind;
  schema: CustomSchema;
  served: boolean;
}

/** A conversion that does not end holds back all that wait for it. */
const limitSeconds = 30;

/** What a conversion is made with. */
type Means = Pick<Registry, 'outbound' | 'uuid' | 'clock' | 'metrics'>;

/** The conversions of a definition as it is now; `since` is the store's revision from when on nothing else was written. */
export function converterOf(
  registry: Means,
  crd: CustomResourceDefinition,
  forms: Map<string, Form>,
  storage: Kind,
  since: number,
): Converter {
  const formOf = (apiVersion: string, away: boolean): Form => {
    const form = forms.get(apiVersion);
    if (!form)
      throw internalError(
        `request to convert CR ${away ? 'from' : 'to'} an invalid group/version: ${apiVersion}`,
      );
    return form;
  };
  const stored = apiVersionOf(storage);
  const { hasDefaults } = forms.get(stored)!.schema;
  const one = [...forms.values()].filter(({ served }) => served).length === 1;
  /** Written with this very schema: what a write prunes and fills in is not looked at again. */
  const fresh = ({ revision, object }: Entry): boolean =>
    revision > since && object.apiVersion === stored && (one || !hasDefaults);
  const asStored = (entry: Entry): AnyObject => {
    const { schema } = formOf(entry.object.apiVersion!, true);
    if (fresh(entry)) return entry.object;
    return coerced(entry.object, (draft) => {
      schema.prune(draft);
      schema.applyDefaults(draft);
    });
  };
  const convert = (objects: AnyObject[], to: Kind): MaybePromise<AnyObject[]> => {
    const target = apiVersionOf(to);
    const { schema } = formOf(target, false);
    const others = objects.filter(({ apiVersion }) => apiVersion !== target);
    if (!others.length) return objects;
    for (const { apiVersion } of others) formOf(apiVersion!, true);
    const made =
      crd.spec.conversion?.strategy === 'Webhook'
        ? callWebhook(registry, crd, others, target)
        : others.map((object) => ({ ...object, apiVersion: target }));
    return after(made, (converted) => {
      let next = 0;
      return objects.map((object) => {
        if (object.apiVersion === target) return object;
        return coerced(converted[next++]!, schema.prune);
      });
    });
  };
  return { convert, read: (entries, to) => convert(entries.map(asStored), to) };
}

/** The object after a change, or itself when nothing changes. */
function coerced(object: AnyObject, change: (draft: AnyObject) => unknown): AnyObject {
  const draft = clone(object);
  change(draft);
  return equal(draft, object) ? object : draft;
}

/** What the webhook makes of the objects, counted. */
async function callWebhook(
  means: Means,
  crd: CustomResourceDefinition,
  objects: AnyObject[],
  desired: string,
): Promise<AnyObject[]> {
  const { clock, metrics } = means;
  const began = clock.now();
  const stage: Stage = { failure: 'conversion_webhook_call_failure' };
  try {
    const converted = await askWebhook(means, crd, objects, desired, stage);
    stage.failure = '';
    return converted;
  } finally {
    const { name = '' } = crd.metadata;
    metrics.custom.converted(name, objects[0]!.apiVersion!, desired, stage.failure, clock.now() - began);
  }
}

/** What it is when it fails now. */
interface Stage {
  failure: ConversionFailure;
}

async function askWebhook(
  { outbound, uuid }: Means,
  crd: CustomResourceDefinition,
  objects: AnyObject[],
  desiredAPIVersion: string,
  stage: Stage,
): Promise<AnyObject[]> {
  const { clientConfig, conversionReviewVersions } = crd.spec.conversion!.webhook!;
  const first = objects[0]!;
  const who = `conversion webhook for ${first.apiVersion}, Kind=${first.kind}`;
  const version = conversionReviewVersions.find((v) => v === 'v1' || v === 'v1beta1');
  if (!version) throw internalError('no supported conversion review versions');
  const uid = uuid();
  const apiVersion = `apiextensions.k8s.io/${version}`;
  const review = { kind: 'ConversionReview', apiVersion, request: { uid, desiredAPIVersion, objects } };
  let answer: any;
  try {
    answer = await postReview(outbound, { ...clientConfig } as Callee, review, { limitSeconds });
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    throw internalError(`${who} failed: ${error.message}`);
  }
  stage.failure = 'conversion_webhook_malformed_response_failure';
  const converted = convertedObjects(answer, version, uid, who);
  stage.failure = 'conversion_webhook_partial_response_failure';
  if (converted.length !== objects.length)
    throw internalError(`${who} returned ${converted.length} objects, expected ${objects.length}`);
  stage.failure = 'conversion_webhook_invalid_converted_object_failure';
  return converted.map((object, i) => {
    const wrong = (why: string) =>
      internalError(`${who} returned invalid converted object at index ${i}: ${why}`);
    if (typeof object !== 'object' || object === null) throw wrong('it is not an object');
    if (object.apiVersion !== desiredAPIVersion)
      throw wrong(`invalid groupVersion (expected ${desiredAPIVersion}, received ${object.apiVersion})`);
    const original = objects[i]!;
    if (object.kind !== original.kind)
      throw wrong(`invalid kind (expected ${original.kind}, received ${object.kind})`);
    const problem = identityProblem(original, object);
    if (problem) throw wrong(problem);
    try {
      return { ...object, metadata: metadataOf(original, object) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw internalError(`${who} returned invalid metadata in object at index ${i}: ${error.message}`);
    }
  });
}

function convertedObjects(answer: any, version: string, uid: string, who: string): any[] {
  const failed = (why: string) => internalError(`${who} failed: ${why}`);
  const { kind = '', apiVersion = '', response } = answer;
  if (version === 'v1' && (kind !== 'ConversionReview' || apiVersion !== 'apiextensions.k8s.io/v1')) {
    throw failed(
      `expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got ${apiVersion || '/'}, Kind=${kind}`,
    );
  }
  if (!response) throw failed('no response provided');
  if (version === 'v1' && response.uid !== uid)
    throw failed(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  const { status = '', message } = response.result ?? {};
  if (status !== 'Success') throw failed(message || `response.result.status was '${status}', not 'Success'`);
  return response.convertedObjects ?? [];
}

function identityProblem(original: AnyObject, converted: AnyObject): string | undefined {
  for (const [name, what] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [before, now] = [original.metadata?.[name] ?? '', converted.metadata?.[name] ?? ''];
    if (before !== now) return `must have the same ${what}: ${before} != ${now}`;
  }
  return undefined;
}

/** Of the metadata a webhook changes labels and annotations, and nothing else. Throws RangeError. */
function metadataOf(original: AnyObject, converted: AnyObject): AnyObject['metadata'] {
  const { metadata: given } = converted;
  if (typeof given !== 'object' || given === null)
    throw new RangeError('missing metadata in converted object');
  const metadata = { ...original.metadata };
  for (const name of ['labels', 'annotations'] as const) {
    const map = given[name];
    if (map === undefined || map === null) {
      delete metadata[name];
      continue;
    }
    if (typeof map !== 'object' || Array.isArray(map))
      throw new RangeError(`invalid metadata.${name} of type ${typeof map} in converted object`);
    for (const [key, value] of Object.entries(map)) {
      if (typeof value !== 'string')
        throw new RangeError(
          `metadata.${name}[${key}] must be a string, but is ${typeof value} in converted object`,
        );
    }
    if (!equal(map, metadata[name])) {
      const at = field('metadata', name);
      const errors = name === 'labels' ? labelsErrors(map, at) : annotationsErrors(map, at);
      if (errors.length) throw new RangeError(errors.map((e) => `${e.field}: ${e.message}`).join(', '));
    }
    metadata[name] = map;
  }
  return metadata;
}
