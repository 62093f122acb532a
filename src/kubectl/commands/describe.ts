import { isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import type { DescribeTools } from '../describe/describer.ts';
import { Description } from '../describe/description.ts';
import { describerFor } from '../describe/index.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { fetchTargets, type Info, resolveTargets, type Target } from '../targets.ts';
import { allNamespacesFlag, selectorFlag } from '../writing.ts';

export const describe = command({
  name: 'describe',
  usage: 'describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)',
  summary: 'Show details of a specific resource or group of resources',
  description:
    'Show details of a specific resource or group of resources, with what is related to them, such as events. A name that is not there is taken as the beginning of names.',
  examples: [
    ['Describe a node', 'kubectl describe nodes node-1'],
    ['Describe a pod', 'kubectl describe pod/web-0'],
    ['Describe pods by a label', 'kubectl describe pods -l app=web'],
  ],
  flags: {
    ...filenameFlags('containing the resource to describe'),
    'all-namespaces': allNamespacesFlag,
    'chunk-size': flag.int('Return large lists in chunks of this size; 0 for all at once.', { default: 500 }),
    selector: selectorFlag,
    'show-events': flag.bool('If true, display events related to the described object.', { default: true }),
  },
  async run(context) {
    const { flags: f, args } = context;
    if (!args.length && !f.filename.length && !f.kustomize)
      throw new KubectlError(
        'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of supported resources.\n',
      );
    const kube = await context.kube();
    const { targets, errors } = await resolveTargets(context, {
      args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      selector: f.selector,
      bareTypes: true,
      allNamespaces: f['all-namespaces'],
    });
    const { found, errors: failed } = await fetchTargets(kube, targets, {
      chunkSize: f['chunk-size'],
      latest: true,
    });
    if (failed.length && args.length === 2 && isNotFound(failed[0])) {
      if (await describeByPrefix(context, targets[0]!, args[1]!)) return;
    }
    const problems = [...errors, ...failed];
    const tools = toolsOf(context, kube);
    let first = true;
    for (const info of found as Info[]) {
      const text = await describeOne(info, tools);
      context.out.write(first ? text : `\n\n${text}`);
      first = false;
    }
    if (!found.length && !problems.length)
      context.err.line(
        f['all-namespaces'] ? 'No resources found' : `No resources found in ${kube.namespace} namespace.`,
      );
    throwAll(problems);
  },
});

const toolsOf = ({ flags, environment }: Context, kube: DescribeTools['kube']): DescribeTools => ({
  kube,
  nowMs: environment.clock.now(),
  showEvents: flags['show-events'],
  chunkSize: flags['chunk-size'],
});

/** The description of an object. */
export async function describeOne({ resource, object }: Info, tools: DescribeTools): Promise<string> {
  const d = new Description();
  const describer = await describerFor(resource);
  const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
  await describer(d, { apiVersion, kind: resource.kind, ...object }, tools);
  return d.toString();
}

/** Describes all whose names begin like this; false where there are none. */
async function describeByPrefix(context: Context, target: Target, prefix: string): Promise<boolean> {
  const kube = await context.kube();
  const { resource } = target;
  const list = {
    type: 'list' as const,
    resource,
    namespace: resource.namespaced ? kube.namespace : undefined,
  };
  const { found } = await fetchTargets(kube, [list], { chunkSize: context.flags['chunk-size'] });
  const tools = toolsOf(context, kube);
  let any = false;
  for (const info of found as Info[]) {
    if (!info.name.startsWith(prefix)) continue;
    context.out.write(`${await describeOne(info, tools)}\n`);
    any = true;
  }
  return any;
}
