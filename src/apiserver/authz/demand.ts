import { forbidden, notFound } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import { selectedName } from '../registry/select.ts';
import { type Authorizer, refusal } from './authorizer.ts';
import type { Attributes } from './rbac.ts';

/** What a request wants, as authorizers see it. A namespace is in itself; a list of one name is of that name. */
export function attributesOf(context: Context, verb: string = context.verb): Attributes {
  const { user, group, version, plural, subresource, namespace, options } = context;
  const name = context.name ?? selectedName(options);
  return {
    user,
    verb,
    group,
    version,
    resource: plural,
    subresource,
    namespace: plural === 'namespaces' && group === '' ? name : namespace,
    name,
  };
}

/**
 * Throws 403 unless the one who asks may do this with what the context names, and 404 for a cluster's resource asked for
 * in a namespace: rights in that namespace must not count for it.
 */
export function demandRight(authorizer: Authorizer, context: Context, verb: string = context.verb): void {
  const { kind } = context.served;
  if (!kind.namespaced && context.namespace) throw notFound(kind, context.name ?? '');
  const attributes = attributesOf(context, verb);
  if (!authorizer.authorize(attributes)) throw forbidden(kind, context.name ?? '', refusal(attributes));
}
