import type { AnyObject } from '../../machinery/meta.ts';
import { isForbidden, isNotFound, isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll, withSource } from '../errors.ts';
import { flag } from '../flags.ts';
import type { Kube } from '../kube.ts';
import { filenameFlags } from '../manifests.ts';
import { type DryRun, dryRunFlag, dryRunOf, dryRunOption } from '../output.ts';
import { type Fetched, fetchTargets, resolveTargets, type Target } from '../targets.ts';
import { waitForDeletion } from '../waiting.ts';
import { allNamespacesFlag, selectorFlag } from '../writing.ts';

const weekMs = 168 * 3_600_000;

/** How objects are deleted: also flags of apply and replace. */
export const deletionFlags = {
  cascade: flag.string('Must be "background", "orphan", or "foreground". How dependents are deleted.', {
    default: 'background',
    bare: 'background',
  }),
  force: flag.bool('Immediately remove resources from the API and bypass graceful deletion.'),
  'grace-period': flag.int('Period of time in seconds given to the resource to terminate gracefully.', {
    default: -1,
  }),
  timeout: flag.duration('The length of time to wait before giving up on a delete; zero: until it is done.'),
  wait: flag.bool('Wait for resources to be gone before returning.', { default: true }),
};

type Policy = 'Background' | 'Orphan' | 'Foreground';

/** Reads `--cascade`. Throws a KubectlError for a value that is not known. */
export function propagationPolicy(context: Context): Policy {
  const value: string = context.flags.cascade;
  const deprecated = (policy: Policy, instead: string): Policy => {
    context.err.line(
      `warning: --cascade=${value} is deprecated (boolean value) and can be replaced with --cascade=${instead}.`,
    );
    return policy;
  };
  switch (value) {
    case 'background':
      return 'Background';
    case 'orphan':
      return 'Orphan';
    case 'foreground':
      return 'Foreground';
    case 'true':
      return deprecated('Background', 'background');
    case 'false':
      return deprecated('Orphan', 'orphan');
    default:
      throw new KubectlError(
        `invalid cascade value (${value}). Must be "background", "foreground", or "orphan"`,
      );
  }
}

/** The grace period that the flags ask for; -1: the object's own. Throws for contradictions. */
export function gracePeriodOf(context: Context): number {
  const { force, now } = context.flags;
  let seconds: number = context.flags['grace-period'];
  if (now) {
    if (seconds !== -1) throw new KubectlError('--now and --grace-period cannot be specified together');
    seconds = 1;
  }
  // Zero alone would lose data by mistake: it takes --force to mean it.
  if (seconds === 0 && !force) seconds = 1;
  if (force && seconds < 0) seconds = 0;
  if (seconds > 0 && force)
    throw new KubectlError('--force and --grace-period greater than 0 cannot be specified together');
  if (seconds === 0)
    warn(
      context,
      'Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.',
    );
  return seconds;
}

export const warn = (context: Context, text: string): void => {
  const colored = context.environment.stderr.isTerminal;
  context.err.line(`${colored ? '\x1b[33;1mWarning:\x1b[0m' : 'Warning:'} ${text}`);
};

const remove = command({
  name: 'delete',
  usage: 'delete ([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)])',
  summary: 'Delete resources by file names, stdin, resources and names, or by resources and label selector',
  examples: [
    ['Delete a pod', 'kubectl delete pod web-0'],
    ['Delete what a file describes', 'kubectl delete -f ./app.yaml'],
    ['Delete pods and services with a label', 'kubectl delete pods,services -l app=web'],
    ['Delete all pods, without waiting for their graceful end', 'kubectl delete pods --all --now'],
  ],
  flags: {
    ...filenameFlags('containing the resource to delete'),
    ...deletionFlags,
    all: flag.bool('Delete all resources, in the namespace of the specified resource types.'),
    'all-namespaces': allNamespacesFlag,
    'dry-run': dryRunFlag,
    'field-selector': flag.string("Selector (field query) to filter on, supports '=', '==', and '!='."),
    'ignore-not-found': flag.bool('Treat "resource not found" as a successful delete.'),
    interactive: flag.bool('If true, delete resource only when user confirms.', { short: 'i' }),
    now: flag.bool('Resources are signaled for immediate shutdown (same as --grace-period=1).'),
    output: flag.string('Output mode. Use "-o name" for shorter output (resource/name).', { short: 'o' }),
    raw: flag.string('Raw URI to DELETE to the server.'),
    selector: selectorFlag,
  },
  async run(context) {
    const { flags: f } = context;
    const gracePeriodSeconds = gracePeriodOf(context);
    const policy = propagationPolicy(context);
    const dryRun = dryRunOf(context);
    if (f.output && f.output !== 'name')
      throw new KubectlError(`unexpected -o output mode: ${f.output}. We only support '-o name'`);
    if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
    if (f.all && f['field-selector'])
      throw new KubectlError('cannot set --all and --field-selector at the same time');
    if (f.raw) return deleteRaw(context);
    const { targets, errors } = await resolveTargets(context, {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      selector: f.selector,
      fieldSelector: f['field-selector'],
      all: f.all,
      allNamespaces: f['all-namespaces'],
    });
    const kube = await context.kube();
    const places = await placesOf(kube, targets, errors);
    const selecting = f.all || f.selector !== '' || f['field-selector'] !== '';
    const ignoreNotFound = context.given.has('ignore-not-found') ? f['ignore-not-found'] : selecting;
    if (f.interactive && !(await confirm(context, places))) return;
    await deletePlaces(context, places, errors, { gracePeriodSeconds, policy, dryRun, ignoreNotFound });
  },
});

export { remove as delete };

async function deleteRaw(context: Context): Promise<void> {
  const { raw, filename } = context.flags;
  const kube = await context.kube();
  const [file] = filename;
  const body =
    file === undefined
      ? undefined
      : file === '-'
        ? await context.environment.stdin.text()
        : await context.environment.files.read(file);
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const response = await kube.rest.send({
    method: 'DELETE',
    path: raw,
    body,
    headers,
    signal: context.signal,
  });
  context.out.write(await response.text());
}

/** Where the objects are. What is named needs no look; what is selected is listed. */
async function placesOf(kube: Kube, targets: Target[], errors: unknown[]): Promise<Fetched[]> {
  const places: Fetched[] = [];
  for (const target of targets) {
    if (target.type === 'list') {
      const { found, errors: failed } = await fetchTargets(kube, [target], { chunkSize: 500 });
      places.push(...found);
      errors.push(...failed);
    } else if (target.type === 'object') places.push(target);
    else places.push({ ...target, object: {} as AnyObject });
  }
  return places;
}

async function confirm(context: Context, places: Fetched[]): Promise<boolean> {
  if (!places.length) {
    context.out.line('No resources found');
    return false;
  }
  context.out.line('You are about to delete the following ' + `${places.length} resource(s):`);
  for (const { resource, name } of places) context.out.line(`${kindName(resource)}/${name}`);
  context.out.write('Do you want to continue? (y/N): ');
  let answer = '';
  for await (const piece of context.environment.stdin.stream(context.signal)) {
    answer += new TextDecoder().decode(piece);
    if (answer.includes('\n')) break;
  }
  if (/^y/i.test(answer.trim())) return true;
  context.out.line('deletion is cancelled');
  return false;
}

const kindName = ({ kind, group }: Fetched['resource']): string =>
  group ? `${kind.toLowerCase()}.${group}` : kind.toLowerCase();

interface DeleteOptions {
  gracePeriodSeconds: number;
  policy: Policy;
  dryRun: DryRun;
  ignoreNotFound: boolean;
  quiet?: boolean;
}

/** Deletes one after another, says so, and waits until all are gone. */
export async function deletePlaces(
  context: Context,
  places: Fetched[],
  errors: unknown[],
  options: DeleteOptions,
): Promise<void> {
  const { gracePeriodSeconds, policy, dryRun, ignoreNotFound, quiet } = options;
  const { flags: f, out } = context;
  const kube = await context.kube();
  let warned = !kube.explicitNamespace || f['all-namespaces'];
  const deleted: { place: Fetched; uid: string | undefined }[] = [];
  const how = gracePeriodSeconds === 0 ? 'force deleted' : 'deleted';
  const end = dryRun === 'client' ? ' (dry run)' : dryRun === 'server' ? ' (server dry run)' : '';
  let found = 0;
  for (const place of places) {
    const { resource, name, namespace } = place;
    if (!warned && !resource.namespaced) {
      warn(context, 'deleting cluster-scoped resources, not scoped to the provided namespace');
      warned = true;
    }
    try {
      found++;
      if (dryRun !== 'client') {
        const response = await kube.delete(place, {
          ...(gracePeriodSeconds >= 0 ? { gracePeriodSeconds } : {}),
          ...dryRunOption(dryRun),
          propagationPolicy: policy,
        });
        deleted.push({ place, uid: response?.metadata?.uid ?? response?.details?.uid });
      }
      if (quiet) continue;
      out.line(
        f.output === 'name'
          ? `${kindName(resource)}/${name}`
          : `${kindName(resource)} "${name}" ${how}${resource.namespaced ? ` from ${namespace} namespace` : ''}${end}`,
      );
    } catch (error) {
      if (ignoreNotFound && isNotFound(error)) continue;
      errors.push(withSource(error, 'deleting', place.source));
    }
  }
  throwAll(errors);
  if (!found) {
    out.line('No resources found');
    return;
  }
  if (!f.wait || dryRun !== 'none') return;
  const { clock } = context.environment;
  for (const { place, uid } of deleted) {
    try {
      await waitForDeletion(kube, place, uid, {
        clock,
        timeoutMs: f.timeout || weekMs,
        signal: context.signal,
      });
    } catch (error) {
      // Deleted it is; whoever may not watch cannot wait.
      if (!isForbidden(error) && !(isStatusError(error) && error.code === 405)) throw error;
    }
  }
}
