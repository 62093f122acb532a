import type { AnyObject } from '../../machinery/meta.ts';
import { isConflict, isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { describeError, KubectlError, throwAll, UsageError } from '../errors.ts';
import { type FlagValues, flag } from '../flags.ts';
import type { Place } from '../kube.ts';
import { filenameFlags } from '../manifests.ts';
import { withoutManagedFields } from '../output.ts';
import { join } from '../paths.ts';
import { goJson } from '../printers/go-values.ts';
import { goYaml } from '../printers/yaml.ts';
import { type Info, resolveTargets } from '../targets.ts';
import { lastAppliedAnnotation, selectorFlag } from '../writing.ts';
import { threeWayPatch } from './apply-patch.ts';
import { matchesSelector } from './selecting.ts';

const maxTries = 4;

const flags = {
  ...filenameFlags('that contains the configuration to diff'),
  concurrency: flag.int('Accepted for compatibility.', { default: 1 }),
  'field-manager': flag.string('Name of the manager used to track field ownership.'),
  'force-conflicts': flag.bool('If true, server-side apply will force the changes against conflicts.'),
  prune: flag.bool('Include resources that would be deleted by pruning.'),
  'prune-allowlist': flag.stringArray(
    'Overwrite the default allowlist with <group/version/kind> for --prune.',
  ),
  selector: selectorFlag,
  'server-side': flag.bool('If true, apply runs in the server instead of the client.'),
  'show-managed-fields': flag.bool('If true, include managed fields in the diff.'),
  'show-secrets': flag.bool('If true, do not mask secret values in the diff.'),
};
type DiffContext = Context<FlagValues<typeof flags>>;

export const diff = command({
  name: 'diff',
  usage: 'diff -f FILENAME',
  summary: 'Diff the live version against a would-be applied version',
  description: `Diff configurations specified by file name or stdin between the current online configuration, and the configuration as it would be if applied.

 KUBECTL_EXTERNAL_DIFF names another program than "diff -u -N", with its arguments.

 Exit status: 0 no differences were found, 1 differences were found, >1 kubectl or diff failed with an error.`,
  examples: [
    ['Diff resources included in pod.json', 'kubectl diff -f pod.json'],
    ['Diff file read from stdin', 'cat service.yaml | kubectl diff -f -'],
  ],
  flags,
  async run(context) {
    try {
      return await run(context);
    } catch (error) {
      if (context.signal.aborted) throw error;
      // 1 says that there are differences.
      const { text, exitCode } = describeError(error, context.path);
      context.err.write(text);
      return exitCode + 1;
    }
  },
});

async function run(context: DiffContext): Promise<number> {
  const { args, flags: f, environment } = context;
  if (args.length) throw new UsageError(`Unexpected args: [${args.join(' ')}]`);
  if (!f.filename.length && !f.kustomize) throw new KubectlError('must specify one of -f and -k');
  if (f['force-conflicts'] && !f['server-side'])
    throw new KubectlError('--force-conflicts only works with --server-side');
  const { targets, errors } = await resolveTargets(context, {
    filename: f.filename,
    recursive: f.recursive,
    kustomize: f.kustomize,
  });
  const { files } = environment;
  const live = await files.temporaryDirectory('LIVE-');
  const merged = await files.temporaryDirectory('MERGED-');
  try {
    const infos = targets.filter(
      (target): target is typeof target & { type: 'object' } =>
        target.type === 'object' && matchesSelector(f.selector, target.object),
    );
    const kept = new Set<string | undefined>();
    for (const info of infos) {
      const found = await versionsOf(context, info);
      kept.add(found.live?.metadata.uid);
      const [from, to] = shown(context, found);
      await files.write(join(live, fileName(info)), from ? goYaml(from) : '', 0o700);
      await files.write(join(merged, fileName(info)), goYaml(to), 0o700);
    }
    throwAll(errors);
    // What is pruned is on the one side only.
    if (f.prune)
      for await (const gone of (await import('./apply-prune.ts')).prunable(context, infos, kept)) {
        const [, object] = shown(context, { live: undefined, merged: gone.object });
        await files.write(join(live, fileName(gone)), goYaml(object), 0o700);
      }
    const [program, ...options] = diffProgram(environment.env.KUBECTL_EXTERNAL_DIFF);
    await environment.stdout.drained();
    return await runProgram(context, program!, [...options, live, merged]);
  } finally {
    await files.remove(live);
    await files.remove(merged);
  }
}

const fileName = ({ resource: { group, version, kind }, namespace = '', name }: Place): string =>
  `${group ? `${group}.` : ''}${version}.${kind}.${namespace}.${name}`;

/** A program and its arguments; what could be taken for anything but an option is left out. */
function diffProgram(external: string | undefined): string[] {
  if (!external) return ['diff', '-u', '-N'];
  const [program, ...options] = external.split(' ');
  return [program!, ...options.filter((option) => /^[a-zA-Z0-9-=]+$/.test(option))];
}

async function runProgram({ environment }: DiffContext, program: string, args: string[]): Promise<number> {
  try {
    return await environment.run(program, args);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const why =
      code === 'ENOENT' ? `exec: ${JSON.stringify(program)}: executable file not found in $PATH` : message;
    throw new KubectlError(`failed to run ${JSON.stringify(program)}: ${why}`);
  }
}

interface Versions {
  live: AnyObject | undefined;
  merged: AnyObject;
}

/** The object as it is, and as it would be; asked again while it changes under us. */
async function versionsOf(context: DiffContext, info: Info): Promise<Versions> {
  const kube = await context.kube();
  for (let tries = 1; ; tries++) {
    let live: AnyObject | undefined;
    try {
      live = await kube.get(info);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      return { live, merged: await mergedVersion(context, info, live, tries < maxTries) };
    } catch (error) {
      if (!isConflict(error) || context.flags['server-side'] || tries >= maxTries) throw error;
    }
  }
}

async function mergedVersion(
  context: DiffContext,
  info: Info,
  live: AnyObject | undefined,
  locked: boolean,
): Promise<AnyObject> {
  const { flags: f } = context;
  const kube = await context.kube();
  const { resource, object } = info;
  const dryRun = 'All' as const;
  if (f['server-side'])
    return kube.patch(info, 'apply', JSON.parse(goJson(object)), {
      dryRun,
      force: f['force-conflicts'],
      fieldManager: f['field-manager'] || 'kubectl',
    });
  const fieldManager = f['field-manager'] || 'kubectl-client-side-apply';
  if (!live) return kube.create(resource, info, object, { dryRun, fieldManager });
  const { [lastAppliedAnnotation]: _, ...annotations } = object.metadata.annotations ?? {};
  const modified = { ...object, metadata: { ...object.metadata, annotations } };
  const { type, patch } = await threeWayPatch(info, live, modified);
  if (!Object.keys(patch).length) return live;
  if (locked) patch.metadata = { ...patch.metadata, resourceVersion: live.metadata.resourceVersion };
  return kube.patch(info, type, patch, { dryRun, fieldManager });
}

function shown({ flags: f }: DiffContext, { live, merged }: Versions): [AnyObject | undefined, AnyObject] {
  const strip = (object: AnyObject) => (f['show-managed-fields'] ? object : withoutManagedFields(object));
  const from = live && strip(live);
  const to = strip(merged);
  if (f['show-secrets'] || to.kind !== 'Secret' || to.apiVersion !== 'v1') return [from, to];
  return masked(from, to);
}

/** Secrets are not shown; whether they differ is. */
function masked(from: AnyObject | undefined, to: AnyObject): [AnyObject | undefined, AnyObject] {
  const before: Record<string, string> = from?.data ?? {};
  const after: Record<string, string> = to.data ?? {};
  const mask = (data: Record<string, string>, other: Record<string, string>, suffix: string) =>
    Object.fromEntries(
      Object.entries(data).map(([key, value]) => [
        key,
        key in other && other[key] !== value ? `*** (${suffix})` : '***',
      ]),
    );
  return [
    from?.data ? { ...from, data: mask(before, after, 'before') } : from,
    to.data ? { ...to, data: mask(after, before, 'after') } : to,
  ];
}
