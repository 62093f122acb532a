// What a webhook, or a policy, has made of an object.
import { cannotHandle, checkFields } from '../../machinery/decode.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { internalError } from '../../machinery/status.ts';
import type { Admission, Context } from '../context.ts';
import { typeIdOf } from '../http/encode.ts';
import type { Registry } from '../registry/registry.ts';
import { convertTo, type Matched } from './match.ts';

/** The draft, read as if it had come from a client: in the form that was shown, which is given back in that of the request. */
export async function received(
  registry: Registry,
  draft: AnyObject,
  matched: Matched,
  { context, type }: Admission,
): Promise<AnyObject> {
  if (typeof draft !== 'object' || draft === null || Array.isArray(draft))
    throw internalError('the patched object is not an object');
  const served = matched.served ?? context.served;
  const { kind } = served;
  const typeId = type ? typeIdOf(registry.scheme, draft.apiVersion ?? '', type.kind) : kind.type;
  if (typeId) {
    const { errors } = checkFields(draft, typeId, registry.schemas, { types: !served.custom });
    if (errors.length) throw internalError(cannotHandle(kind.kind, kind.version, errors[0]!).message);
  }
  draft.metadata ??= {};
  if (type) return draft;
  kind.rules.defaults?.(draft);
  return matched.served ? { ...(await convertTo(served, context.served, draft)) } : draft;
}

/** Whoever writes nonsense into managedFields has none of it stored. */
export function keepManagedFields(context: Context, before: AnyObject, now: AnyObject): void {
  const fields = now.metadata.managedFields as unknown;
  if (fields === undefined || fields === before.metadata?.managedFields) return;
  const good = (entry: any) =>
    (entry?.operation === 'Apply' || entry?.operation === 'Update') &&
    typeof entry.apiVersion === 'string' &&
    entry.fieldsType === 'FieldsV1' &&
    typeof entry.fieldsV1 === 'object' &&
    entry.fieldsV1 !== null;
  if (Array.isArray(fields) && fields.every(good)) return;
  const { managedFields } = before.metadata;
  if (managedFields) now.metadata.managedFields = managedFields;
  else delete now.metadata.managedFields;
  context.warnings.push(
    '.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: an entry is not valid',
  );
}
