import type { AnyObject } from '../../machinery/meta.ts';
import { createMergePatch } from '../../machinery/patch/merge.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { goJson } from '../printers/go-values.ts';
import { goYaml } from '../printers/yaml.ts';
import { type Info, objectsOf, resolveTargets } from '../targets.ts';
import { allFlag, lastAppliedAnnotation, selectorFlag, withConfiguration } from '../writing.ts';

const missing = (name: string): KubectlError =>
  new KubectlError(`no last-applied-configuration annotation found on resource: ${name}`);

/** The annotation of an object, parsed. Throws where there is none. */
export function lastApplied(info: Info): AnyObject {
  const text = info.object.metadata.annotations?.[lastAppliedAnnotation];
  if (!text) throw missing(info.name);
  return JSON.parse(text);
}

const objectsFrom = (context: Context) =>
  objectsOf(context, {
    args: context.args,
    filename: context.flags.filename,
    recursive: context.flags.recursive,
    kustomize: context.flags.kustomize,
    selector: context.flags.selector,
    all: context.flags.all,
    latest: true,
  });

export const viewLastApplied = command({
  name: 'view-last-applied',
  usage: 'apply view-last-applied (TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)',
  summary: 'View the latest last-applied-configuration annotations of a resource/object',
  examples: [['View what was last applied', 'kubectl apply view-last-applied deployment/web']],
  flags: {
    ...filenameFlags('that contains the last-applied-configuration annotations'),
    all: allFlag,
    output: flag.string('Output format. Must be one of (yaml, json).', { short: 'o', default: 'yaml' }),
    selector: selectorFlag,
  },
  async run(context) {
    const { output } = context.flags;
    if (output !== 'yaml' && output !== 'json')
      throw new UsageError(
        `Unexpected -o output mode: ${output}, the flag 'output' must be one of yaml|json`,
      );
    const { infos, errors } = await objectsFrom(context);
    throwAll(errors);
    for (const info of infos) {
      const object = lastApplied(info);
      context.out.write(output === 'json' ? `${goJson(object, '  ')}\n` : goYaml(object));
    }
  },
});

export const setLastApplied = command({
  name: 'set-last-applied',
  usage: 'apply set-last-applied -f FILENAME',
  summary: 'Set the last-applied-configuration annotation on a live object to match the contents of a file',
  examples: [
    [
      'Remember what a file says as applied',
      'kubectl apply set-last-applied -f app.yaml --create-annotation',
    ],
  ],
  flags: {
    ...filenameFlags('that contains the last-applied-configuration annotations'),
    ...outputFlags,
    'create-annotation': flag.bool("Will create 'last-applied-configuration' annotations if it's not there."),
    'dry-run': dryRunFlag,
  },
  async run(context) {
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const kube = await context.kube();
    const { targets, errors } = await resolveTargets(context, {
      filename: context.flags.filename,
      recursive: context.flags.recursive,
    });
    throwAll(errors);
    for (const target of targets) {
      if (target.type !== 'object') continue;
      const live: AnyObject = await kube.get(target);
      if (!live.metadata.annotations?.[lastAppliedAnnotation] && !context.flags['create-annotation'])
        throw new KubectlError(
          `no last-applied-configuration annotation found on resource: ${target.name}, to create the annotation, run the command with --create-annotation`,
        );
      const annotation = withConfiguration(target.object).metadata.annotations![lastAppliedAnnotation]!;
      const annotations = { ...live.metadata.annotations, [lastAppliedAnnotation]: annotation };
      const changed = { ...live, metadata: { ...live.metadata, annotations } };
      const patch = createMergePatch(live as never, changed as never);
      const object =
        dryRun === 'client' || !Object.keys(patch).length
          ? changed
          : await kube.patch(target, 'merge', patch, dryRunOption(dryRun));
      print({ apiVersion: target.object.apiVersion, kind: target.object.kind, ...object }, 'configured');
    }
  },
});

export const editLastApplied = command({
  name: 'edit-last-applied',
  usage: 'apply edit-last-applied (RESOURCE/NAME | -f FILENAME)',
  summary: 'Edit latest last-applied-configuration annotations of a resource/object',
  examples: [['Edit what was last applied', 'kubectl apply edit-last-applied deployment/web']],
  flags: {
    ...filenameFlags('to use to edit the resource'),
    ...outputFlags,
    'field-manager': flag.string('Name of the manager used to track field ownership.', {
      default: 'kubectl-client-side-apply',
    }),
  },
  async run(context) {
    const { editAnnotations } = await import('./edit.ts');
    const { infos, errors } = await objectsFrom(context);
    throwAll(errors);
    await editAnnotations(context, infos);
  },
});
