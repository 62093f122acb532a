import type { AnyObject } from '../../machinery/meta.ts';
import type { Admission, Context, TypeName } from '../context.ts';
import { admit, type Registry } from '../registry/registry.ts';

/**
 * Shows admission what is posted to a subresource, or is never stored, as the creation that it is; resolves to the body as
 * admission leaves it. Throws what refuses it.
 */
export async function admitBody(
  registry: Registry,
  context: Context,
  type: TypeName,
  body: any,
): Promise<any> {
  const { group, version, kind } = type;
  const { name, namespace } = context;
  const metadata = { ...(name ? { name } : {}), ...(namespace ? { namespace } : {}), ...body?.metadata };
  const object: AnyObject = { ...body, kind, apiVersion: group ? `${group}/${version}` : version, metadata };
  const admission: Admission = {
    ...{ context, operation: 'CREATE', object, old: undefined, type },
    subresource: context.subresource ?? '',
  };
  await admit(registry, admission, 'mutate');
  await admit(registry, admission, 'validate');
  return admission.object;
}
