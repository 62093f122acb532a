import type { AnyObject } from '../../machinery/meta.ts';
import { jsonPatch } from '../../machinery/patch/json.ts';
import { mergePatch } from '../../machinery/patch/merge.ts';
import { strategicMergePatch } from '../../machinery/patch/strategic.ts';
import { unsupportedMediaType } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import type { Registry } from '../registry/registry.ts';

/** The object after the patch that the request carries, for a body of this type. */
export function patched(
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
