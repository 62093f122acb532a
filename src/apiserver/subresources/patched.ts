import { type AnyObject, clone } from '../../machinery/meta.ts';
import { jsonPatch, unprocessable } from '../../machinery/patch/json.ts';
import { mergePatch } from '../../machinery/patch/merge.ts';
import { strategicMergePatch } from '../../machinery/patch/strategic.ts';
import { unsupportedMediaType } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import { checkPatched } from '../http/decode.ts';
import type { Registry } from '../registry/registry.ts';

/** A draft of what the patch makes of an object, or of a subresource's body; it fits its type. Throws 422. */
export function patchedDraft(
  registry: Registry,
  context: Context,
  current: AnyObject,
  body: unknown,
  typeId = context.served.kind.type,
): AnyObject {
  const draft = clone(patched(registry, context, current, body, typeId));
  if (typeof draft !== 'object' || draft === null || Array.isArray(draft))
    throw unprocessable('the patch makes something of the object that is none');
  checkPatched(registry, context, draft, body, typeId);
  return draft;
}

/** The object after the patch that the request carries, for a body of this type. */
function patched(
  registry: Registry,
  context: Context,
  current: AnyObject,
  body: unknown,
  typeId = context.served.kind.type,
): AnyObject {
  switch (context.patchType) {
    case 'json':
      return jsonPatch(current, body);
    case 'strategic':
      if (context.served.custom)
        throw unsupportedMediaType([
          'application/json-patch+json',
          'application/merge-patch+json',
          'application/apply-patch+yaml',
        ]);
      return strategicMergePatch(current, body, typeId, registry.schemas);
    default:
      return mergePatch(current, body);
  }
}
