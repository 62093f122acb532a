import { type Context, command } from '../command.ts';
import { UsageError } from '../errors.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption } from '../output.ts';
import { nodes } from '../resources.ts';
import { type Info, objectsOf } from '../targets.ts';
import { selectorFlag } from '../writing.ts';

/** The nodes that a command line names. */
export async function nodesNamed(context: Context, usage: string): Promise<Info[]> {
  const { args, flags: f } = context;
  if (!args.length && !context.given.has('selector')) throw new UsageError(`USAGE: ${usage} [flags]`);
  if (args.length && f.selector)
    throw new UsageError('error: cannot specify both a node name and a --selector option');
  const { infos, errors } = await objectsOf(
    context,
    f.selector
      ? { args: ['nodes'], selector: f.selector, chunkSize: f['chunk-size'] ?? 500 }
      : { args: args.map((arg) => arg.replace(/^(nodes?|no)\//, '')), defaultType: 'nodes' },
  );
  if (errors.length) throw errors[0];
  return infos;
}

/** Marks nodes as (un)schedulable, and says so. */
export async function setUnschedulable(
  context: Context,
  infos: Info[],
  unschedulable: boolean,
): Promise<void> {
  const kube = await context.kube();
  const dryRun = dryRunOf(context);
  const print = await changePrinter(context, dryRun);
  const word = unschedulable ? 'cordoned' : 'uncordoned';
  for (const { object, name } of infos) {
    const is = object.spec?.unschedulable === true;
    if (is === unschedulable) {
      print(object, `already ${word}`);
      continue;
    }
    if (dryRun !== 'client') {
      const patch = { spec: { unschedulable: unschedulable || null } };
      await kube.patch({ resource: nodes, name }, 'strategic', patch, dryRunOption(dryRun));
    }
    print(object, word);
  }
}

const flags = { 'dry-run': dryRunFlag, selector: selectorFlag };

export const cordon = command({
  name: 'cordon',
  usage: 'cordon NODE',
  summary: 'Mark node as unschedulable',
  examples: [['Mark node "foo" as unschedulable', 'kubectl cordon foo']],
  flags,
  run: async (context) => setUnschedulable(context, await nodesNamed(context, 'cordon NODE'), true),
});

export const uncordon = command({
  name: 'uncordon',
  usage: 'uncordon NODE',
  summary: 'Mark node as schedulable',
  examples: [['Mark node "foo" as schedulable', 'kubectl uncordon foo']],
  flags,
  run: async (context) => setUnschedulable(context, await nodesNamed(context, 'uncordon NODE'), false),
});
