// `--overrides`: a patch of an object that a command made of its flags.
import type { ApiResource } from '../client/discovery.ts';
import { jsonPatch } from '../machinery/patch/json.ts';
import { mergePatch } from '../machinery/patch/merge.ts';
import type { Context } from './command.ts';
import { KubectlError } from './errors.ts';
import { flag } from './flags.ts';
import { parseDocuments } from './manifests.ts';
import { builtInType } from './schemas.ts';

export const overrideFlags = {
  'override-type': flag.string(
    'The method used to override the generated object: json, merge, or strategic.',
    { default: 'merge' },
  ),
  overrides: flag.string('An inline JSON override for the generated object.'),
};

/** The object as `--overrides` changes it. Throws a KubectlError for a text that is no patch. */
export async function overridden<T extends object>(
  context: Context,
  resource: ApiResource,
  object: T,
): Promise<T> {
  const { overrides, 'override-type': type } = context.flags;
  if (!overrides) return object;
  const [patch] = await parseDocuments(overrides);
  switch (type) {
    case 'json':
      return jsonPatch(object, patch);
    case 'merge':
      return mergePatch(object, patch);
    case 'strategic': {
      const known = await builtInType(resource);
      const { strategicMergePatch } = await import('../machinery/patch/strategic.ts');
      return known ? strategicMergePatch(object, patch, known.id, known.schemas) : mergePatch(object, patch);
    }
    default:
      throw new KubectlError(`invalid override type: ${type}`);
  }
}
