// The built-in types: what a strategic merge patch needs to know of them. Loaded only by commands that make one.
import type { ApiResource } from '../client/discovery.ts';
import type { SchemaTable } from '../machinery/schema.ts';

export interface BuiltInType {
  /** `apps.v1.Deployment` */
  id: string;
  schemas: SchemaTable;
}

/** The type of a built-in kind; undefined for others. */
export async function builtInType(
  resource: Pick<ApiResource, 'group' | 'version' | 'kind'>,
): Promise<BuiltInType | undefined> {
  const { typeFacts: schemas } = await import('../api/facts.gen.ts');
  const group = resource.group === '' ? 'core' : resource.group.split('.')[0]!;
  const id = `${group}.${resource.version}.${resource.kind}`;
  return Object.hasOwn(schemas, id) ? { id, schemas } : undefined;
}
