import type { PatchType } from '../../client/client.ts';
import { type AnyObject, equal } from '../../machinery/meta.ts';
import { isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { changeCause, recordFlag, recordPatch } from '../recording.ts';
import { builtInType } from '../schemas.ts';
import { type Info, objectsOf } from '../targets.ts';
import { fieldManagerFlag } from '../writing.ts';

const types: PatchType[] = ['json', 'merge', 'strategic'];

export const patch = command({
  name: 'patch',
  usage: 'patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]',
  summary: 'Update fields of a resource',
  examples: [
    ['Patch a node', `kubectl patch node node-1 -p '{"spec":{"unschedulable":true}}'`],
    [
      'Patch with JSON patch',
      `kubectl patch pod web-0 --type=json -p='[{"op":"replace","path":"/spec/containers/0/image","value":"nginx:1.28"}]'`,
    ],
  ],
  flags: {
    ...filenameFlags('identifying the resource to update'),
    ...outputFlags,
    'dry-run': dryRunFlag,
    'field-manager': fieldManagerFlag('kubectl-patch'),
    local: flag.bool('If true, patch operates on the content of the file, not of the server.'),
    record: recordFlag,
    patch: flag.string('The patch to be applied to the resource JSON file.', { short: 'p' }),
    'patch-file': flag.string('A file containing a patch to be applied to the resource.'),
    subresource: flag.string('Patch this subresource of the requested object.'),
    type: flag.string('The type of patch being provided; one of [json merge strategic].', {
      default: 'strategic',
    }),
  },
  async run(context) {
    const { flags: f, args } = context;
    if (f.patch && f['patch-file'])
      throw new KubectlError('cannot specify --patch and --patch-file together');
    if (!f.patch && !f['patch-file'])
      throw new KubectlError('must specify --patch or --patch-file containing the contents of the patch');
    if (f.local && args.length) throw new KubectlError('cannot specify --local and server resources');
    const type = f.type.toLowerCase() as PatchType;
    if (!types.includes(type))
      throw new KubectlError(`--type must be one of [${types.join(' ')}], not ${JSON.stringify(f.type)}`);
    const body = await readPatch(context);
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const { infos, errors: missing } = await objectsOf(context, {
      args,
      filename: f.filename,
      local: f.local,
      recursive: f.recursive,
      kustomize: f.kustomize,
      subresource: f.subresource,
    });
    const kube = await context.kube();
    const errors: unknown[] = [];
    for (const info of infos) {
      try {
        let object =
          f.local || dryRun === 'client'
            ? await patchLocally(info, type, body)
            : await kube.patch(info, type, body, {
                ...dryRunOption(dryRun),
                fieldManager: f['field-manager'],
                subresource: f.subresource || undefined,
              });
        const cause = f.local || dryRun === 'client' ? undefined : changeCause(context);
        if (cause !== undefined)
          object = await kube.patch(info, 'merge', recordPatch(cause), {
            ...dryRunOption(dryRun),
            fieldManager: f['field-manager'],
          });
        const said = equal(object, info.object) ? 'patched (no change)' : 'patched';
        print({ apiVersion: info.object.apiVersion, kind: info.object.kind, ...object }, said);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll([...errors, ...missing]);
    if (!infos.length) throw new KubectlError('no objects passed to patch');
  },
});

async function readPatch(context: Context): Promise<unknown> {
  const { patch: text, 'patch-file': file } = context.flags;
  let source: string = text;
  if (file) {
    try {
      source = new TextDecoder().decode(await context.environment.files.read(file));
    } catch (error) {
      throw new KubectlError(`unable to read patch file: ${(error as Error).message}`);
    }
  }
  try {
    const { parseYaml } = await import('../../machinery/yaml.ts');
    return /^\s*[{[]/.test(source) ? JSON.parse(source) : parseYaml(source);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isStatusError(error)) throw error;
    try {
      const { parseYaml } = await import('../../machinery/yaml.ts');
      return parseYaml(source);
    } catch (again) {
      throw new KubectlError(`unable to parse ${JSON.stringify(source)}: ${(again as Error).message}`);
    }
  }
}

async function patchLocally({ object, resource }: Info, type: PatchType, body: unknown): Promise<AnyObject> {
  if (type === 'json') return (await import('../../machinery/patch/json.ts')).jsonPatch(object, body);
  const builtIn = type === 'strategic' ? await builtInType(resource) : undefined;
  if (type === 'strategic' && !builtIn) {
    const { group, version, kind } = resource;
    throw new KubectlError(
      `cannot apply strategic merge patch for ${group}/${version}, Kind=${kind} locally, try --type merge`,
    );
  }
  if (!builtIn) return (await import('../../machinery/patch/merge.ts')).mergePatch(object, body);
  const { strategicMergePatch } = await import('../../machinery/patch/strategic.ts');
  return strategicMergePatch(object, body, builtIn.id, builtIn.schemas);
}
