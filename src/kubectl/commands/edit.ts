import type { AnyObject } from '../../machinery/meta.ts';
import { createMergePatch, type Json } from '../../machinery/patch/merge.ts';
import { isInvalid, isNotFound, isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags, parseDocuments } from '../manifests.ts';
import {
  changePrinter,
  dryRunOf,
  dryRunOption,
  nameOf,
  outputFlags,
  withoutManagedFields,
} from '../output.ts';
import { goJson } from '../printers/go-values.ts';
import { goYaml } from '../printers/yaml.ts';
import { recorded, recordFlag } from '../recording.ts';
import { builtInType } from '../schemas.ts';
import { flatten, type Info, infoFor, objectsOf, resolveTargets } from '../targets.ts';
import {
  fieldManagerFlag,
  fieldValidation,
  lastAppliedAnnotation,
  saveConfigFlag,
  validateFlag,
  withConfiguration,
} from '../writing.ts';
import { lastApplied } from './apply-last-applied.ts';

const header = `Please edit the object below. Lines beginning with a '#' will be ignored,
and an empty file will abort the edit. If an error occurs while saving this file will be
reopened with the relevant failures.
`;

export const edit = command({
  name: 'edit',
  usage: 'edit (RESOURCE/NAME | -f FILENAME)',
  summary: 'Edit a resource on the server',
  description:
    'Edit a resource from the editor that KUBE_EDITOR or EDITOR names, or vi. What is saved is applied; what the server refuses is shown in the editor again.',
  examples: [
    ['Edit a service', 'kubectl edit service web'],
    ['Edit a job as JSON', 'kubectl edit job.v1.batch/report -o json'],
  ],
  flags: {
    ...filenameFlags('to use to edit the resource'),
    ...outputFlags,
    'field-manager': fieldManagerFlag('kubectl-edit'),
    record: recordFlag,
    'output-patch': flag.bool('Output the patch if the resource is edited.'),
    'save-config': saveConfigFlag,
    subresource: flag.string('Edit this subresource of the requested object.'),
    validate: validateFlag,
    'windows-line-endings': flag.bool('Give the editor lines that end as on Windows.'),
  },
  async run(context) {
    const { flags: f } = context;
    const { infos, errors } = await objectsOf(context, {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      subresource: f.subresource,
      latest: true,
      bareTypes: true,
    });
    throwAll(errors);
    if (!infos.length) throw new KubectlError('edit cancelled, no objects found');
    const print = await changePrinter(context);
    await editUntilSaved(
      context,
      infos,
      (info) => info.object,
      async (info, edited) => {
        const { type, patch } = await patchBetween(
          info,
          recorded(context, f['save-config'] ? withConfiguration(edited) : edited),
        );
        if (!Object.keys(patch).length) {
          print(info.object, 'skipped');
          return;
        }
        if (f['output-patch']) context.out.line(`Patch: ${goJson(patch)}`);
        const kube = await context.kube();
        const object = await kube.patch(info, type, patch, {
          fieldManager: f['field-manager'],
          fieldValidation: fieldValidation(context),
          subresource: f.subresource || undefined,
        });
        print({ apiVersion: edited.apiVersion, kind: edited.kind, ...object }, 'edited');
      },
    );
  },
});

/** What changes the object into the edited one. Throws where its identity was changed. */
async function patchBetween(
  { resource, object }: Info,
  edited: AnyObject,
): Promise<{ type: 'strategic' | 'merge'; patch: Json }> {
  const before = withoutManagedFields(object) as Json;
  if (edited.apiVersion !== before.apiVersion || edited.kind !== before.kind)
    throw new KubectlError('At least one of apiVersion, kind and name was changed');
  const type = await builtInType(resource);
  if (!type) return { type: 'merge', patch: createMergePatch(before, edited as Json) };
  const { createStrategicPatch } = await import('../../machinery/patch/strategic-diff.ts');
  return { type: 'strategic', patch: createStrategicPatch(before, edited as Json, type.id, type.schemas) };
}

/** `create --edit`: the files' objects are edited, then created. */
export async function editAndCreate(context: Context): Promise<void> {
  const { flags: f } = context;
  const { targets, errors } = await resolveTargets(context, {
    filename: f.filename,
    recursive: f.recursive,
    kustomize: f.kustomize,
  });
  throwAll(errors);
  const infos = targets.filter((t): t is typeof t & { type: 'object' } => t.type === 'object');
  const dryRun = dryRunOf(context);
  const print = await changePrinter(context, dryRun);
  const kube = await context.kube();
  const createOne = async (info: Info, edited: AnyObject) => {
    const object = recorded(context, f['save-config'] ? withConfiguration(edited) : edited);
    const created = await kube.create(info.resource, info, object, {
      ...dryRunOption(dryRun),
      fieldManager: f['field-manager'],
      fieldValidation: fieldValidation(context),
    });
    print({ apiVersion: edited.apiVersion, kind: edited.kind, ...created }, 'created');
  };
  await editUntilSaved(context, infos, (info) => info.object, createOne, 'new');
}

/** `apply edit-last-applied`: what is edited is the annotation. */
export async function editAnnotations(context: Context, infos: Info[]): Promise<void> {
  const kube = await context.kube();
  const print = await changePrinter(context);
  await editUntilSaved(context, infos, lastApplied, async (info, edited) => {
    const annotation = withConfiguration(edited).metadata.annotations![lastAppliedAnnotation]!;
    const patch = { metadata: { annotations: { [lastAppliedAnnotation]: annotation } } };
    const object = await kube.patch(info, 'merge', patch, { fieldManager: context.flags['field-manager'] });
    print({ apiVersion: info.object.apiVersion, kind: info.object.kind, ...object }, 'edited');
  });
}

const identity = (object: AnyObject): string =>
  `${object.apiVersion} ${object.kind} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

/**
 * Lets the user edit the objects until all could be saved, or the file was left as it was. `save` throws what the server
 * dislikes: it is shown above the text when the editor opens again. Of `new` objects the names may be edited too.
 */
async function editUntilSaved(
  context: Context,
  infos: Info[],
  shown: (info: Info) => AnyObject,
  save: (info: Info, edited: AnyObject) => Promise<void>,
  sort: 'new' | 'there' = 'there',
): Promise<void> {
  const { environment, flags: f, err } = context;
  const json = f.output === 'json';
  const objects = infos.map((info) =>
    f['show-managed-fields'] ? shown(info) : withoutManagedFields(shown(info)),
  );
  const whole =
    objects.length === 1 ? objects[0]! : { apiVersion: 'v1', kind: 'List', items: objects, metadata: {} };
  let text = json ? `${goJson(whole, '    ')}\n` : goYaml(whole);
  const original = text;
  let problems = '';
  const directory = await environment.files.temporaryDirectory('kubectl-edit-');
  const path = `${directory}/kubectl-edit.${json ? 'json' : 'yaml'}`;
  const lineEnds = (shown: string) => (f['windows-line-endings'] ? shown.replace(/\r?\n/g, '\r\n') : shown);
  let keep = false;
  try {
    for (;;) {
      const comment = (header + (problems ? `\n${problems}` : '\n')).trimEnd().split('\n');
      await environment.files.write(
        path,
        lineEnds(`${comment.map((line) => `# ${line}`.trimEnd()).join('\n')}\n#\n${text}`),
        0o600,
      );
      await launchEditor(context, path);
      const read = new TextDecoder().decode(await environment.files.read(path));
      const saved = withoutComments(f['windows-line-endings'] ? read.replace(/\r\n/g, '\n') : read);
      if (!saved.trim()) {
        err.line('Edit cancelled, saved file was empty.');
        return;
      }
      if (problems && saved === text) {
        keep = true;
        throw new KubectlError(`Edit cancelled, no valid changes were saved.`);
      }
      if (saved === original) {
        err.line('Edit cancelled, no changes made.');
        return;
      }
      text = saved;
      problems = await trySave(context, sort === 'new' ? undefined : infos, saved, save);
      if (!problems) return;
    }
  } finally {
    if (keep) err.line(`A copy of your changes has been stored to ${JSON.stringify(path)}`);
    else await environment.files.remove(directory);
  }
}

const withoutComments = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');

/** Saves each object, of `infos` or a new one; gives what went wrong as text for the editor, '' where nothing did. */
async function trySave(
  context: Context,
  infos: Info[] | undefined,
  text: string,
  save: (info: Info, edited: AnyObject) => Promise<void>,
): Promise<string> {
  let edited: AnyObject[];
  try {
    edited = (await parseDocuments(text)).flatMap(flatten);
  } catch (error) {
    return `The edited file had a syntax error: ${(error as Error).message}\n`;
  }
  const kube = await context.kube();
  const problems: string[] = [];
  for (const [i, object] of edited.entries()) {
    try {
      const known =
        infos?.find((one) => identity(one.object) === identity(object)) ??
        (infos?.length === edited.length ? infos[i] : undefined);
      const info = known && known.object.metadata?.name === object.metadata?.name ? known : undefined;
      const made = info ?? (await infoFor(kube, { object, source: 'edited-file', text }));
      if (infos && !info) throw new KubectlError('At least one of apiVersion, kind and name was changed');
      await save(made, object);
    } catch (error) {
      if (isNotFound(error) || !(isStatusError(error) || error instanceof KubectlError)) throw error;
      problems.push(problemText(error, object));
    }
  }
  return problems.join('\n');
}

function problemText(error: unknown, object: AnyObject): string {
  if (isStatusError(error) && isInvalid(error)) {
    const causes = error.status.details?.causes ?? [];
    return `${nameOf(object)} was not valid:\n${causes.map((c) => ` * ${c.field}: ${c.message}`).join('\n')}\n`;
  }
  return `${nameOf(object)} could not be patched: ${(error as Error).message}\n`;
}

/** Runs the editor on a file. Throws a KubectlError where it cannot be run or fails. */
async function launchEditor({ environment }: Context, path: string): Promise<void> {
  const editor = environment.env.KUBE_EDITOR || environment.env.EDITOR || 'vi';
  // An editor with quotes or spaces is a command line of its own.
  const viaShell = /["'\\\s]/.test(editor);
  const [command, args] = viaShell
    ? [environment.env.SHELL || '/bin/sh', ['-c', `${editor} "${path}"`]]
    : [editor, [path]];
  let code: number;
  try {
    code = await environment.run(command!, args as string[]);
  } catch (error) {
    throw new KubectlError(
      `unable to launch the editor ${JSON.stringify(editor)}: ${(error as Error).message}`,
    );
  }
  if (code !== 0) throw new KubectlError(`there was a problem with the editor ${JSON.stringify(editor)}`);
}
