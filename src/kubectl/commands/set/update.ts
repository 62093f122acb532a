// Changing objects in place: what all of `set` and some of `rollout` do.
import { type AnyObject, clone } from '../../../machinery/meta.ts';
import { createMergePatch, type Json } from '../../../machinery/patch/merge.ts';
import { isStatusError } from '../../../machinery/status.ts';
import type { Context } from '../../command.ts';
import { KubectlError, throwAll } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { filenameFlags } from '../../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../../output.ts';
import { recorded, recordFlag } from '../../recording.ts';
import { builtInType } from '../../schemas.ts';
import { type Info, objectsOf } from '../../targets.ts';
import { allFlag, fieldManagerFlag, selectorFlag } from '../../writing.ts';

export const updateFlags = (what: string) => ({
  ...filenameFlags('identifying the resource to get from a server'),
  ...outputFlags,
  all: allFlag,
  'dry-run': dryRunFlag,
  'field-manager': fieldManagerFlag(`kubectl-${what}`),
  record: recordFlag,
  local: flag.bool('If true, do not contact the server but work on the files.'),
  selector: selectorFlag,
});

export interface UpdateOptions {
  resources: string[];
  /** What is printed of a changed object: `image updated`. */
  said: string;
  /** Before the server's message when it refuses. */
  failure?: string;
  /** Objects that did not change are printed too. */
  always?: boolean;
  latest?: boolean;
}

const localNames = `you must specify resources by --filename when --local is set.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'`;

/** Lets `edit` change a copy of each object, and patches those that did change. What `edit` throws is told for its object. */
export async function updateObjects(
  context: Context,
  options: UpdateOptions,
  edit: (object: any, info: Info) => void | Promise<void>,
): Promise<Info[]> {
  const { flags: f } = context;
  if (f.local && f['dry-run'] === 'server')
    throw new KubectlError('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
  if (f.local && options.resources.length) throw new KubectlError(localNames);
  const dryRun = dryRunOf(context);
  const print = await changePrinter(context, dryRun);
  const { infos, errors } = await objectsOf(context, {
    args: options.resources,
    filename: f.filename,
    recursive: f.recursive,
    kustomize: f.kustomize,
    selector: f.selector,
    bareTypes: f.all,
    all: f.all,
    latest: options.latest ?? !f.local,
    local: f.local,
  });
  const kube = await context.kube();
  for (const info of infos) {
    try {
      const edited: AnyObject = clone(info.object);
      try {
        await edit(edited, info);
      } catch (error) {
        if (!(error instanceof EditError)) throw error;
        const { plural, group } = info.resource;
        throw new KubectlError(
          `error: ${group ? `${plural}.${group}` : plural} ${JSON.stringify(info.name)} ${error.message}`,
        );
      }
      const { type, patch } = await difference(info, recorded(context, edited));
      if (!Object.keys(patch).length && !options.always) continue;
      const { apiVersion, kind } = info.object;
      if (f.local || dryRun === 'client' || !Object.keys(patch).length) print(edited, options.said);
      else {
        const result = await kube.patch(info, type, patch, {
          ...dryRunOption(dryRun),
          fieldManager: f['field-manager'],
        });
        print({ apiVersion, kind, ...result }, options.said);
      }
    } catch (error) {
      const refused = options.failure && isStatusError(error) && error.code !== 503;
      errors.push(refused ? new KubectlError(`${options.failure}: ${error.message}`) : error);
    }
  }
  throwAll(errors);
  return infos;
}

/** Thrown by an edit: this object cannot be changed so. */
export class EditError extends Error {}

async function difference(
  { resource, object }: Info,
  edited: AnyObject,
): Promise<{ type: 'strategic' | 'merge'; patch: Json }> {
  const type = await builtInType(resource);
  if (!type) return { type: 'merge', patch: createMergePatch(object as Json, edited as Json) };
  const { createStrategicPatch } = await import('../../../machinery/patch/strategic-diff.ts');
  return {
    type: 'strategic',
    patch: createStrategicPatch(object as Json, edited as Json, type.id, type.schemas),
  };
}
