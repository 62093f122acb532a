import type { AnyObject } from '../../machinery/meta.ts';
import { isConflict, isNotFound, isStatusError } from '../../machinery/status.ts';
import { type CommandEntry, type Context, command } from '../command.ts';
import { KubectlError, throwAll, UsageError, withSource } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import {
  type DryRun,
  dryRunFlag,
  dryRunOf,
  dryRunOption,
  nameOf,
  objectPrinter,
  outputFlags,
} from '../output.ts';
import { recorded, recordFlag } from '../recording.ts';
import { type Info, resolveTargets } from '../targets.ts';
import {
  checkTypes,
  fieldManagerFlag,
  fieldValidation,
  lastAppliedAnnotation,
  selectorFlag,
  validateFlag,
  withConfiguration,
} from '../writing.ts';
import { deletionFlags, warn } from './delete.ts';
import { matchesSelector } from './selecting.ts';

const clientManager = 'kubectl-client-side-apply';
const serverManager = 'kubectl';

const subcommands: CommandEntry[] = [
  {
    name: 'edit-last-applied',
    summary: 'Edit latest last-applied-configuration annotations of a resource/object',
    load: async () => (await import('./apply-last-applied.ts')).editLastApplied,
  },
  {
    name: 'set-last-applied',
    summary: 'Set the last-applied-configuration annotation on a live object to match the contents of a file',
    load: async () => (await import('./apply-last-applied.ts')).setLastApplied,
  },
  {
    name: 'view-last-applied',
    summary: 'View the latest last-applied-configuration annotations of a resource/object',
    load: async () => (await import('./apply-last-applied.ts')).viewLastApplied,
  },
];

export const apply = command({
  name: 'apply',
  usage: 'apply (-f FILENAME | -k DIRECTORY)',
  summary: 'Apply a configuration to a resource by file name or stdin',
  examples: [
    ['Apply what a file describes', 'kubectl apply -f ./app.yaml'],
    ['Apply a directory with all below it', 'kubectl apply -R -f ./deploy'],
    ['Let the server merge, and own the fields', 'kubectl apply --server-side -f ./app.yaml'],
  ],
  commands: subcommands,
  flags: {
    ...filenameFlags('that contains the configuration to apply'),
    ...outputFlags,
    ...deletionFlags,
    all: flag.bool('Select all resources in the namespace of the specified resource types.'),
    'dry-run': dryRunFlag,
    'field-manager': fieldManagerFlag(clientManager),
    record: recordFlag,
    'force-conflicts': flag.bool('If true, server-side apply will force the changes against conflicts.'),
    'openapi-patch': flag.bool('Accepted for compatibility.', { default: true, hidden: true }),
    overwrite: flag.bool(
      'Resolve conflicts between the modified and live configuration by the modified one.',
      {
        default: true,
      },
    ),
    prune: flag.bool('Delete resource objects that do not appear in the configs and were created by apply.'),
    'prune-allowlist': flag.stringArray(
      'Overwrite the default allowlist with <group/version/kind> for --prune.',
    ),
    selector: selectorFlag,
    'server-side': flag.bool('If true, apply runs in the server instead of the client.'),
    subresource: flag.string('Operate on this subresource of the requested object.'),
    validate: validateFlag,
    wait: flag.bool('If true, wait for resources to be gone before returning.'),
  },
  async run(context) {
    const { flags: f, args } = context;
    if (args.length) throw new UsageError(`Unexpected args: [${args.join(' ')}]`);
    if (!f.filename.length && !f.kustomize) throw new KubectlError('must specify one of -f and -k');
    check(context);
    const dryRun = dryRunOf(context);
    if (dryRun === 'client' && f['server-side'])
      throw new KubectlError(
        `--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)`,
      );
    const { targets, errors } = await resolveTargets(context, {
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      check: (object, source) => checkTypes(context, object, source),
    });
    const infos = targets.filter(
      (target): target is typeof target & { type: 'object' } =>
        target.type === 'object' && matchesSelector(f.selector, target.object),
    );
    if (!infos.length && !errors.length) throw new KubectlError('no objects passed to apply');
    const applied: AnyObject[] = [];
    const shows = Boolean(f.output || f.template) && f.output !== 'name';
    const say = (object: AnyObject, what: string) => {
      applied.push(object);
      if (shows) return;
      const dry = dryRun === 'client' ? ' (dry run)' : dryRun === 'server' ? ' (server dry run)' : '';
      context.out.line(f.output === 'name' ? nameOf(object) : `${nameOf(object)} ${what}${dry}`);
    };
    for (const info of infos) {
      try {
        if (!info.name && info.object.metadata?.generateName)
          throw new KubectlError(
            `from ${info.object.metadata.generateName}: cannot use generate name with apply`,
          );
        const wanted = { ...info, object: recorded(context, info.object) };
        await (f['server-side'] ? serverSide : clientSide)(context, wanted, dryRun, say);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
    if (shows) await printApplied(context, applied);
    if (f.prune) await (await import('./apply-prune.ts')).prune(context, infos, applied, dryRun, say);
  },
});

function check(context: Context): void {
  const { flags: f } = context;
  if (f['force-conflicts'] && !f['server-side'])
    throw new KubectlError('--force-conflicts only works with --server-side');
  if (f.force && f['server-side']) throw new KubectlError('--force cannot be used with --server-side');
  if (f.prune && !f.all && !f.selector)
    throw new KubectlError(
      'all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector',
    );
  if (f.prune && f['server-side']) return;
  if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
}

type Say = (object: AnyObject, what: string) => void;

async function printApplied(context: Context, applied: AnyObject[]): Promise<void> {
  const print = await objectPrinter(context.environment, context.flags as never);
  const [first] = applied;
  if (applied.length === 1) print(first!, context.out);
  else print({ apiVersion: 'v1', kind: 'List', items: applied, metadata: {} }, context.out);
}

const typed = (info: Info, object: AnyObject): AnyObject => ({
  apiVersion: info.object.apiVersion,
  kind: info.object.kind,
  ...object,
});

const warnIfDeleting = (context: Context, object: AnyObject): void => {
  if (object.metadata?.deletionTimestamp)
    warn(context, `Detected changes to resource ${object.metadata.name} which is currently being deleted.`);
};

/** The three-way merge in the client: what the annotation remembers, what is wanted, what is there. */
async function clientSide(context: Context, info: Info, dryRun: DryRun, say: Say): Promise<void> {
  const kube = await context.kube();
  const { flags: f } = context;
  const writing = {
    ...dryRunOption(dryRun),
    fieldManager: f['field-manager'],
    fieldValidation: fieldValidation(context),
  };
  let current: AnyObject;
  try {
    current = await kube.get(info, { subresource: f.subresource || undefined });
  } catch (error) {
    if (!isNotFound(error))
      throw withSource(
        error,
        `retrieving current configuration of:\n${describe(info)}\nfrom server for:`,
        info.source,
      );
    const object = withoutNulls(withConfiguration(info.object));
    if (dryRun === 'client') return say(object, 'created');
    try {
      return say(typed(info, await kube.create(info.resource, info, object, writing)), 'created');
    } catch (failure) {
      throw withSource(failure, 'creating', info.source);
    }
  }
  if (!current.metadata.annotations?.[lastAppliedAnnotation])
    warn(
      context,
      `resource ${info.resource.plural}/${info.name} is missing the ${lastAppliedAnnotation} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.`,
    );
  const { patchToward } = await import('./apply-patch.ts');
  const result = await patchToward(context, info, current, withConfiguration(info.object), dryRun, writing);
  warnIfDeleting(context, result.object);
  // A client-side dry run asks the server nothing, so what is shown is what is there.
  if (dryRun === 'client') return say(typed(info, current), 'configured');
  say(typed(info, result.object), result.changed ? 'configured' : 'unchanged');
}

const describe = ({ resource: r, name, namespace = '' }: Info): string =>
  `Resource: "${r.group ? `${r.group}/${r.version}` : r.version}, Resource=${r.plural}", GroupVersionKind: "${r.group ? `${r.group}/${r.version}` : r.version}, Kind=${r.kind}"\nName: ${JSON.stringify(name)}, Namespace: ${JSON.stringify(namespace)}`;

function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  ) as T;
}

const conflictAdvice = `
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`;

async function serverSide(context: Context, info: Info, dryRun: DryRun, say: Say): Promise<void> {
  const kube = await context.kube();
  const { flags: f, given } = context;
  const fieldManager = given.has('field-manager') ? f['field-manager'] : serverManager;
  const options = {
    ...dryRunOption(dryRun),
    fieldManager,
    fieldValidation: fieldValidation(context),
    force: f['force-conflicts'],
    subresource: f.subresource || undefined,
  };
  const send = async () => typed(info, await kube.patch(info, 'apply', info.object, options));
  let object: AnyObject;
  try {
    object = await send();
  } catch (error) {
    if (isConflict(error) && isStatusError(error)) throw new KubectlError(error.message + conflictAdvice);
    throw error;
  }
  if (dryRun === 'none') {
    const { migrate } = await import('./apply-migrate.ts');
    // Under another manager's name nobody would keep the annotation up to date.
    const keepAnnotation = fieldManager === serverManager;
    if (await migrate(kube, info, object, { manager: fieldManager, keepAnnotation })) object = await send();
  }
  warnIfDeleting(context, object);
  say(object, 'serverside-applied');
}
