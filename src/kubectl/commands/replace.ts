import { isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll, withSource } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { recorded, recordFlag } from '../recording.ts';
import { type Info, resolveTargets } from '../targets.ts';
import {
  checkTypes,
  fieldManagerFlag,
  fieldValidation,
  lastAppliedAnnotation,
  saveConfigFlag,
  validateFlag,
  withConfiguration,
} from '../writing.ts';
import { deletePlaces, deletionFlags, gracePeriodOf, propagationPolicy } from './delete.ts';

export const replace = command({
  name: 'replace',
  usage: 'replace -f FILENAME',
  summary: 'Replace a resource by file name or stdin',
  examples: [
    ['Replace what is there by what a file says', 'kubectl replace -f ./pod.yaml'],
    ['Delete it and create it again', 'kubectl replace --force -f ./pod.yaml'],
  ],
  flags: {
    ...filenameFlags('to use to replace the resource'),
    ...outputFlags,
    ...deletionFlags,
    'dry-run': dryRunFlag,
    'field-manager': fieldManagerFlag('kubectl-replace'),
    record: recordFlag,
    raw: flag.string('Raw URI to PUT to the server.'),
    'save-config': saveConfigFlag,
    subresource: flag.string('Replace this subresource of the requested object.'),
    validate: validateFlag,
    wait: flag.bool('If true, wait for resources to be gone before returning.'),
  },
  async run(context) {
    const { flags: f } = context;
    const dryRun = dryRunOf(context);
    if (f['grace-period'] >= 0 && !f.force)
      throw new KubectlError('--grace-period must have --force specified');
    if (f.timeout !== 0 && !f.force) throw new KubectlError('--timeout must have --force specified');
    if (f.force && dryRun !== 'none') throw new KubectlError('--dry-run can not be used when --force is set');
    if (!f.filename.length && !f.kustomize) throw new KubectlError('must specify one of -f and -k');
    if (f.raw) return putRaw(context);
    const { targets, errors: unread } = await resolveTargets(context, {
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      check: (object, source) => checkTypes(context, object, source),
    });
    const infos = targets.filter((t): t is typeof t & { type: 'object' } => t.type === 'object');
    if (!infos.length && !unread.length) throw new KubectlError('no objects passed to replace');
    if (f.force) await deleteFirst(context, infos);
    const print = await changePrinter(context, dryRun);
    const kube = await context.kube();
    const options = {
      ...dryRunOption(dryRun),
      fieldManager: f['field-manager'],
      fieldValidation: fieldValidation(context),
    };
    const errors: unknown[] = [];
    for (const info of infos) {
      try {
        const annotated = Boolean(info.object.metadata.annotations?.[lastAppliedAnnotation]);
        const wanted = f['save-config'] || annotated ? withConfiguration(info.object) : info.object;
        const object = recorded(context, wanted);
        const { apiVersion, kind } = info.object;
        let result = object;
        if (f.force) result = await kube.create(info.resource, info, object, options);
        else if (dryRun !== 'client')
          result = await kube.update(info, object, { ...options, subresource: f.subresource || undefined });
        print({ apiVersion, kind, ...result }, 'replaced');
      } catch (error) {
        errors.push(withSource(error, 'replacing', info.source));
      }
    }
    throwAll([...errors, ...unread]);
  },
});

/** Deletes what is to be made again, and waits until it is gone. */
async function deleteFirst(context: Context, infos: Info[]): Promise<void> {
  const kube = await context.kube();
  const there: Info[] = [];
  for (const info of infos) {
    try {
      there.push({ ...info, object: await kube.get(info) });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  if (!there.length) return;
  // The flag is about what is replaced: there is no going on before the old ones are gone.
  const waiting: Context = { ...context, flags: { ...context.flags, wait: true, output: '' } };
  await deletePlaces(waiting, there, [], {
    gracePeriodSeconds: gracePeriodOf({
      ...context,
      flags: { ...context.flags, force: context.flags['grace-period'] === 0 },
    }),
    policy: propagationPolicy(context),
    dryRun: 'none',
    ignoreNotFound: true,
  });
}

async function putRaw(context: Context): Promise<void> {
  const { raw, filename } = context.flags;
  if (filename.length !== 1) throw new KubectlError('--raw can only use a single local file or stdin');
  const body =
    filename[0] === '-'
      ? await context.environment.stdin.text()
      : await context.environment.files.read(filename[0]);
  const kube = await context.kube();
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const response = await kube.rest.send({ method: 'PUT', path: raw, body, headers, signal: context.signal });
  context.out.write(await response.text());
}
