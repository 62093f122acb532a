import { fieldManagerErrors } from '../../api/meta.ts';
import { type FieldError, field, invalid } from '../../machinery/status.ts';
import type { Context } from '../context.ts';

const policies = ['Background', 'Foreground', 'Orphan'];
const validations = ['Ignore', 'Strict', 'Warn'];

/** Checks options that do not go with the verb, or have values that there are not. Throws 422. */
export function checkWriteOptions({ verb, options, patchType }: Context): void {
  const { fieldManager, force, propagationPolicy, dryRun, fieldValidation } = options;
  const errors: FieldError[] = [];
  if (dryRun !== undefined && dryRun !== 'All') errors.push(field('dryRun').notSupported(dryRun, ['All']));
  if (fieldValidation && !validations.includes(fieldValidation))
    errors.push(field('fieldValidation').notSupported(fieldValidation, validations));
  if (fieldManager) errors.push(...fieldManagerErrors(fieldManager, field('fieldManager')));
  if (verb === 'patch' && patchType !== 'apply' && force !== undefined)
    errors.push(field('force').forbidden('may not be specified for non-apply patch'));
  if (verb === 'patch' && patchType === 'apply' && !fieldManager)
    errors.push(field('fieldManager').required('is required for apply patch'));
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy))
    errors.push(field('propagationPolicy').notSupported(propagationPolicy, policies));
  if (errors.length)
    throw invalid({ group: 'meta.k8s.io', kind: kinds[verb] ?? 'UpdateOptions' }, '', errors);
}

const kinds: Record<string, string> = {
  create: 'CreateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
  deletecollection: 'DeleteOptions',
};
