import { type AnyObject, clone } from '../../machinery/meta.ts';
import { badRequest, field, invalid, StatusError } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import { get } from '../registry/read.ts';
import { cacheOf } from '../registry/registry.ts';
import { update } from '../registry/write.ts';
import type { SubresourceHandler } from './index.ts';
import { patchedDraft } from './patched.ts';

const at = (object: any, path: string): any =>
  path
    .split('.')
    .filter(Boolean)
    .reduce((value, part) => value?.[part], object);
function set(object: any, path: string, value: unknown): void {
  const parts = path.split('.').filter(Boolean);
  const last = parts.pop()!;
  for (const part of parts) object = object[part] ??= {};
  object[last] = value;
}

function scaleOf({ served: { kind } }: Context, object: AnyObject): AnyObject {
  const rule = kind.rules.scale;
  if (!rule)
    throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {
      kind: kind.plural,
    });
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = rule.selector(object);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: at(object, rule.specReplicas) ?? 0 },
    status: { replicas: at(object, rule.statusReplicas) ?? 0, ...(selector ? { selector } : {}) },
  };
}

const scaleType = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** `scale` of every kind that has replicas: reads and writes two numbers wherever the kind keeps them. */
export const scale: SubresourceHandler = async (registry, context, body) => {
  if (context.verb === 'get') {
    return {
      type: 'object',
      object: scaleOf(context, (await get(cacheOf(registry, context), context)).object),
    };
  }
  const replicasOf = (given: any): number => {
    const replicas = given?.spec?.replicas ?? 0;
    if (typeof replicas !== 'number') throw badRequest('spec.replicas must be a number');
    if (replicas >= 0) return replicas;
    throw invalid({ group: 'autoscaling', kind: 'Scale' }, context.name!, [
      field('spec', 'replicas').invalid(replicas, 'must be greater than or equal to 0'),
    ]);
  };
  const of = (object: AnyObject) => scaleOf(context, object);
  const into = (draft: AnyObject, given: unknown) =>
    set(draft, context.served.kind.rules.scale!.specReplicas, replicasOf(given));
  const change = (current: AnyObject): AnyObject => {
    const wanted =
      context.verb === 'patch'
        ? patchedDraft(registry, context, of(current), body, 'autoscaling.v1.Scale')
        : body;
    const draft = clone(current);
    into(draft, wanted);
    // Without one, whatever is there is meant.
    const { resourceVersion } = wanted?.metadata ?? {};
    if (resourceVersion) draft.metadata.resourceVersion = resourceVersion;
    return draft;
  };
  const admission = { type: scaleType, of, into };
  const entry = await update(registry, { ...context, annotations: (context.annotations ??= {}) }, change, {
    admission,
  });
  const { view } = context.served;
  return { type: 'object', object: scaleOf(context, (view ? await view.entry(entry) : entry).object) };
};
