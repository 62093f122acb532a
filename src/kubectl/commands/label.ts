import type { AnyObject } from '../../machinery/meta.ts';
import { labelValueProblems } from '../../machinery/names.ts';
import { createMergePatch } from '../../machinery/patch/merge.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { recorded, recordFlag } from '../recording.ts';
import { type Info, objectsOf } from '../targets.ts';
import { allFlag, allNamespacesFlag, fieldManagerFlag, selectorFlag } from '../writing.ts';
import { type Pairs, parsePairs } from './pairs.ts';

const flags = (manager: string, what: string) => ({
  ...filenameFlags(`identifying the resource to update the ${what}`),
  ...outputFlags,
  all: allFlag,
  'all-namespaces': allNamespacesFlag,
  'dry-run': dryRunFlag,
  'field-manager': fieldManagerFlag(manager),
  'field-selector': flag.string("Selector (field query) to filter on, supports '=', '==', and '!='."),
  list: flag.bool(`If true, display the ${what}s for a given resource.`),
  local: flag.bool('If true, operate on the content of the file, not of the server.'),
  record: recordFlag,
  overwrite: flag.bool(`If true, allow ${what}s to be overwritten.`),
  'resource-version': flag.string('If non-empty, the update only succeeds if this is the current version.'),
  selector: selectorFlag,
});

interface Kind {
  what: 'label' | 'annotation';
  field: 'labels' | 'annotations';
  /** Refuses values that are there already. Throws a KubectlError. */
  refuse(taken: [key: string, value: string][]): void;
  said(added: boolean, removed: boolean): string;
}

const labels: Kind = {
  what: 'label',
  field: 'labels',
  refuse(taken) {
    throwAll(
      taken.map(
        ([key, value]) =>
          new KubectlError(`'${key}' already has a value (${value}), and --overwrite is false`),
      ),
    );
  },
  said: (added, removed) =>
    added && removed ? 'modified' : added ? 'labeled' : removed ? 'unlabeled' : 'not labeled',
};

const annotations: Kind = {
  what: 'annotation',
  field: 'annotations',
  refuse(taken) {
    if (!taken.length) return;
    const list = taken.map(([key, value]) => `'${key}' already has a value (${value})`).join('; ');
    throw new KubectlError(`--overwrite is false but found the following declared annotation(s): ${list}`);
  },
  said: () => 'annotated',
};

export const label = command({
  name: 'label',
  usage:
    'label [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]',
  summary: 'Update the labels on a resource',
  examples: [
    ['Label a pod', 'kubectl label pods web-0 tier=front'],
    ['Change a label', 'kubectl label --overwrite pods web-0 tier=back'],
    ['Remove a label', 'kubectl label pods web-0 tier-'],
  ],
  flags: flags('kubectl-label', 'label'),
  async run(context) {
    const pairs = parsePairs(context.args, 'label', (pair, _, value) => {
      if (value.includes('=')) return `invalid label spec: ${pair}`;
      const problems = labelValueProblems(value);
      return problems.length
        ? `invalid label value: ${JSON.stringify(pair)}: ${problems.join(';')}`
        : undefined;
    });
    if (pairs.remove.some((key) => pairs.set.has(key)))
      throw new KubectlError('can not both modify and remove a label in the same command');
    await change(context, labels, pairs);
  },
});

export const annotate = command({
  name: 'annotate',
  usage:
    'annotate [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]',
  summary: 'Update the annotations on a resource',
  examples: [
    ['Annotate a pod', "kubectl annotate pods web-0 description='my frontend'"],
    ['Remove an annotation', 'kubectl annotate pods web-0 description-'],
  ],
  flags: flags('kubectl-annotate', 'annotation'),
  async run(context) {
    const pairs = parsePairs(context.args, 'annotation');
    const both = pairs.remove.filter((key) => pairs.set.has(key));
    if (both.length)
      throw new KubectlError(
        `can not both modify and remove the following annotation(s) in the same command: ${both.join(', ')}`,
      );
    await change(context, annotations, pairs);
  },
});

function check(context: Context, { what }: Kind, { resources, set, remove }: Pairs): void {
  const { flags: f } = context;
  if (f.list && f.output) throw new KubectlError('--list and --output may not be specified together');
  if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
  if (f.all && f['field-selector'])
    throw new KubectlError('cannot set --all and --field-selector at the same time');
  if (f.local) {
    if (f['dry-run'] === 'server')
      throw new KubectlError('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
    if (resources.length)
      throw new KubectlError(
        'can only use local files by -f pod.yaml or --filename=pod.json when --local=true is set',
      );
    if (!f.filename.length)
      throw new KubectlError('one or more files must be specified as -f pod.yaml or --filename=pod.json');
  } else if (!resources.length && !f.filename.length && !f.kustomize)
    throw new KubectlError(
      'one or more resources must be specified as <resource> <name> or <resource>/<name>',
    );
  if (!set.size && !remove.length && !f.list)
    throw new KubectlError(`at least one ${what} update is required`);
}

async function change(context: Context, kind: Kind, pairs: Pairs): Promise<void> {
  check(context, kind, pairs);
  const { flags: f } = context;
  const dryRun = dryRunOf(context);
  const print = await changePrinter(context, dryRun);
  const {
    infos,
    errors: missing,
    single,
  } = await objectsOf(context, {
    args: pairs.resources,
    filename: f.filename,
    recursive: f.recursive,
    kustomize: f.kustomize,
    selector: f.selector,
    fieldSelector: f['field-selector'],
    bareTypes: f.all,
    all: f.all,
    allNamespaces: f['all-namespaces'],
    latest: !f.local,
    local: f.local,
  });
  if (f['resource-version'] && !single)
    throw new KubectlError('--resource-version may only be used with a single resource');
  const kube = await context.kube();
  const errors: unknown[] = [];
  for (const info of infos) {
    try {
      const { changed, added, removed } = apply(context, kind, pairs, info.object);
      if (f.list) {
        list(context, kind, info, changed, single);
        continue;
      }
      let result = changed;
      if ((added || removed) && dryRun !== 'client' && !f.local) {
        const before = f['resource-version']
          ? { ...info.object, metadata: { ...info.object.metadata, resourceVersion: undefined } }
          : info.object;
        const patch = createMergePatch(before as never, changed as never);
        result = await kube.patch(info, 'merge', patch, {
          ...dryRunOption(dryRun),
          fieldManager: f['field-manager'],
        });
      }
      print(
        { apiVersion: info.object.apiVersion, kind: info.object.kind, ...result },
        kind.said(added, removed),
      );
    } catch (error) {
      errors.push(error);
    }
  }
  throwAll([...errors, ...missing]);
}

function apply(
  context: Context,
  { field, what, refuse }: Kind,
  { set, remove }: Pairs,
  object: AnyObject,
): { changed: AnyObject; added: boolean; removed: boolean } {
  const { flags: f, out } = context;
  const present: Record<string, string> = object.metadata[field] ?? {};
  if (!f.overwrite)
    refuse(
      [...set].flatMap(([key, value]) =>
        Object.hasOwn(present, key) && present[key] !== value ? [[key, present[key]!]] : [],
      ),
    );
  const next = { ...present };
  let [added, removed] = [false, false];
  for (const [key, value] of set) {
    if (next[key] !== value) added = true;
    next[key] = value;
  }
  for (const key of remove) {
    if (Object.hasOwn(next, key)) removed = true;
    else if (what === 'label' && !f.list) out.line(`label ${JSON.stringify(key)} not found.`);
    delete next[key];
  }
  const version = f['resource-version'];
  const metadata = { ...object.metadata, [field]: next, ...(version ? { resourceVersion: version } : {}) };
  // An object that never had any does not get an empty map.
  if (!Object.keys(next).length && !object.metadata[field]) delete metadata[field];
  const changed = { ...object, metadata };
  return { changed: added || removed ? recorded(context, changed) : changed, added, removed };
}

function list(context: Context, { field }: Kind, info: Info, object: AnyObject, single: boolean): void {
  const { group, kind } = info.resource;
  if (!single) context.out.line(`Listing ${field} for ${kind}.${group}/${info.name}:`);
  for (const [key, value] of Object.entries(object.metadata[field] ?? {}))
    context.out.line(`${single ? '' : ' '}${key}=${value}`);
}
