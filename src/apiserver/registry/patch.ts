import { applyObject, checkConfiguration } from '../../machinery/apply/apply.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { badRequest, StatusError } from '../../machinery/status.ts';
import type { Entry } from '../cache/entry.ts';
import { type Context, fieldManagerOf } from '../context.ts';
import { checkBody } from '../http/decode.ts';
import { patchedDraft } from '../subresources/patched.ts';
import type { Registry } from './registry.ts';
import { update } from './write.ts';

/** Applies a patch of any of the four types. Throws 415 for a type that the kind does not have. */
export function patch(registry: Registry, context: Context, body: unknown): Promise<Entry> {
  if (context.patchType === 'apply') return apply(registry, context, body as AnyObject);
  return update(registry, context, (current) => patchedDraft(registry, context, current, body));
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** Server-side apply: what `manager` wants of the object; creates it when it is not there. */
function apply(registry: Registry, context: Context, applied: AnyObject): Promise<Entry> {
  const { kind } = context.served;
  const { force } = context.options;
  if (typeof applied !== 'object' || applied === null || Array.isArray(applied))
    throw badRequest('error decoding YAML: an apply patch is an object');
  if (!isText(applied.apiVersion) || !isText(applied.kind))
    throw badRequest('apply patch must state apiVersion and kind');
  if (applied.metadata?.managedFields?.length) throw badRequest('metadata.managedFields must be nil');
  const merge = (live: AnyObject | undefined): AnyObject => {
    const result = applyObject({
      live,
      applied,
      manager: fieldManagerOf(context),
      force: force === true,
      schemas: registry.schemas,
      typeId: kind.type,
      now: context.nowMs,
      subresource: context.subresource ?? '',
      apiVersion: apiVersionOf(kind),
    });
    checkDuplicates(context);
    const draft = clone(result.object);
    draft.metadata.managedFields = clone(result.managedFields);
    return draft;
  };
  checkConfiguration(applied, apiVersionOf(kind), kind.type, registry.schemas);
  checkBody(registry, context, applied);
  return update(registry, context, merge, {
    applied: true,
    createMissing: context.subresource
      ? undefined
      : () => {
          if (applied.metadata?.uid)
            throw new StatusError(
              409,
              'Conflict',
              `uid mismatch: the provided object specified uid ${applied.metadata.uid}, and no existing object was found`,
            );
          return merge(undefined);
        },
  });
}

function checkDuplicates(context: Context): void {
  const { fieldValidation = 'Warn' } = context.options;
  if (!context.duplicates || fieldValidation === 'Ignore') return;
  const found = context.duplicates().map((what) => `error converting YAML to JSON: ${what}`);
  if (!found.length) return;
  if (fieldValidation === 'Strict') throw badRequest(`error strict decoding YAML: ${found.join(', ')}`);
  context.warnings.push(...found);
}
