import { controllerOf } from '../../machinery/meta.ts';
import { field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import type { ControllerRevision } from './v1.gen.ts';

/** `daemonset.apps/web`: the owner with its group. */
function controllerName(revision: ControllerRevision): string {
  const owner = controllerOf(revision);
  if (!owner) return '<none>';
  const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
  return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
}

export const controllerRevisions = kind<ControllerRevision>({
  facts: 'apps/v1 ControllerRevision',
  defaults(object) {
    object.revision ??= 0;
  },
  validate({ data, revision }) {
    const errors = notNegative(revision, field('revision'));
    const at = field('data');
    if (data === undefined || data === null) errors.push(at.required('data is mandatory'));
    else if (typeof data !== 'object' || Array.isArray(data))
      errors.push(at.required('data must be a valid JSON object'));
    return errors;
  },
  immutable: ['data'],
  generation: false,
  columns: {
    Controller: controllerName,
    Revision: ({ revision }) => revision,
  },
});
