import { sleep } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isForbidden, isNotFound, isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, PlainError } from '../errors.ts';
import { type FlagValues, flag } from '../flags.ts';
import { changePrinter, type DryRun, dryRunFlag, dryRunOf, dryRunOption } from '../output.ts';
import { formatDuration } from '../printers/duration.ts';
import { pods } from '../resources.ts';
import type { Info } from '../targets.ts';
import { selectorFlag } from '../writing.ts';
import { nodesNamed, setUnschedulable } from './cordon.ts';
import { warn } from './delete.ts';
import { planDrain } from './drain-pods.ts';

const retryMs = 5000;

const flags = {
  'chunk-size': flag.int('Return large lists in chunks of this size; 0 for all at once.', { default: 500 }),
  'delete-emptydir-data': flag.bool(
    'Continue even if there are pods using emptyDir; their data will be deleted.',
  ),
  'disable-eviction': flag.bool(
    'Delete pods instead of evicting them: disruption budgets do not count then.',
  ),
  'dry-run': dryRunFlag,
  force: flag.bool('Continue even if there are pods that do not declare a controller.'),
  'grace-period': flag.int('Seconds given to each pod to terminate gracefully; negative: the pod’s own.', {
    default: -1,
  }),
  'ignore-daemonsets': flag.bool('Ignore DaemonSet-managed pods.'),
  'pod-selector': flag.string('Label selector to filter pods on the node.'),
  selector: selectorFlag,
  'skip-wait-for-delete-timeout': flag.int(
    'Do not wait for pods that are being deleted for longer than this many seconds.',
  ),
  timeout: flag.duration('The length of time to wait before giving up, zero means infinite.'),
};
type DrainContext = Context<FlagValues<typeof flags>>;

export const drain = command({
  name: 'drain',
  usage: 'drain NODE',
  summary: 'Drain node in preparation for maintenance',
  description:
    'Drain node in preparation for maintenance. The node is marked unschedulable, and its pods are evicted; eviction respects disruption budgets and is tried again until they allow it.',
  examples: [
    ['Drain node "foo", even if there are pods that no controller manages', 'kubectl drain foo --force'],
    [
      'Drain it, but leave daemons where they are',
      'kubectl drain foo --ignore-daemonsets --grace-period=900',
    ],
  ],
  flags,
  async run(context) {
    const { err } = context;
    const infos = await nodesNamed(context, 'drain NODE');
    await setUnschedulable(context, infos, true);
    const print = await changePrinter(context, dryRunOf(context));
    const failures: { name: string; error: Error }[] = [];
    for (const info of infos) {
      try {
        await drainNode(context, info);
        print(info.object, 'drained');
      } catch (error) {
        if (context.signal.aborted) throw error;
        failures.push({ name: info.name, error: error as Error });
        err.line(
          `error: unable to drain node ${JSON.stringify(info.name)} due to error: ${(error as Error).message}, continuing command...`,
        );
      }
    }
    if (!failures.length) return;
    err.line('There are pending nodes to be drained:');
    for (const { name } of failures) err.line(` ${name}`);
    throw new PlainError(aggregate(failures.map((f) => f.error.message)));
  },
});

/** Several messages as Go puts them together. */
function aggregate(messages: string[]): string {
  const distinct = [...new Set(messages)];
  return distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`;
}

async function drainNode(context: DrainContext, { name }: Info): Promise<void> {
  const { flags: f, out, err } = context;
  const kube = await context.kube();
  const dryRun = dryRunOf(context);
  const rules = {
    force: f.force,
    ignoreDaemonSets: f['ignore-daemonsets'],
    deleteEmptyDirData: f['delete-emptydir-data'],
    podSelector: f['pod-selector'],
    chunkSize: f['chunk-size'],
  };
  const plan = await planDrain(kube, name, rules);
  if (plan.errors.length) throw new KubectlError(aggregate(plan.errors));
  if (plan.warnings) warn(context, plan.warnings);
  if (dryRun === 'client') {
    for (const { metadata } of plan.pods)
      out.line(`evicting pod ${metadata.namespace}/${metadata.name} (dry run)`);
    return;
  }
  const limit = f.timeout ? context.environment.clock.now() + f.timeout : Number.POSITIVE_INFINITY;
  const results = await Promise.allSettled(plan.pods.map((pod) => takeAway(context, pod, dryRun, limit)));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  if (!errors.length) return;
  context.signal.throwIfAborted();
  const message = aggregate(errors.map((error) => error.message));
  const pending = await planDrain(kube, name, rules);
  if (pending.pods.length) {
    err.line(`There are pending pods in node ${JSON.stringify(name)} when an error occurred: ${message}`);
    for (const pod of pending.pods) err.line(`pod/${pod.metadata.name}`);
  }
  throw new KubectlError(message);
}

/** Evicts (or deletes) one pod, again and again while its budget forbids it, and waits until it is gone. */
async function takeAway(
  context: DrainContext,
  first: AnyObject,
  dryRun: DryRun,
  limit: number,
): Promise<void> {
  const { flags: f, out, err, environment, signal } = context;
  const kube = await context.kube();
  const { clock } = environment;
  const { name, namespace, uid } = first.metadata as { name: string; namespace: string; uid: string };
  const place = { resource: pods, namespace, name };
  const subject = `pods/${JSON.stringify(name)} -n ${JSON.stringify(namespace)}`;
  const gracePeriodSeconds = f['grace-period'] >= 0 ? f['grace-period'] : undefined;
  const deleteOptions = { gracePeriodSeconds, ...(dryRun === 'server' ? { dryRun: ['All'] } : {}) };
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions,
  };
  const evict = async () => {
    out.line(`evicting pod ${namespace}/${name}${dryRun === 'server' ? ' (server dry run)' : ''}`);
    if (clock.now() >= limit)
      throw new KubectlError(
        `error when evicting ${subject}: global timeout reached: ${formatDuration(f.timeout)}`,
      );
    await kube.create(pods, { namespace, name }, eviction, { subresource: 'eviction' });
  };
  const again = async (message: string) => {
    err.line(message);
    await sleep(clock, retryMs, signal);
  };
  for (;;) {
    try {
      if (f['disable-eviction']) await kube.delete(place, { gracePeriodSeconds, ...dryRunOption(dryRun) });
      else await evict();
      break;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isStatusError(error)) throw error;
      const ending =
        isForbidden(error) && error.status.details?.causes?.some((c) => c.reason === 'NamespaceTerminating');
      if (error.code === 429)
        await again(`error when evicting ${subject} (will retry after 5s): ${error.message}`);
      else if (ending && first.metadata.deletionTimestamp) break;
      else if (ending)
        await again(
          `error when evicting pod ${JSON.stringify(name)} from terminating namespace ${JSON.stringify(namespace)} (will retry after 5s): ${error.message}`,
        );
      else throw new KubectlError(`error when evicting ${subject}: ${error.message}`);
    }
  }
  if (dryRun === 'server') return;
  for (;;) {
    try {
      const { metadata } = await kube.get(place);
      if (metadata.uid !== uid) break;
      const skip = f['skip-wait-for-delete-timeout'];
      const since = clock.now() - Date.parse(metadata.deletionTimestamp ?? '');
      if (skip > 0 && since > skip * 1000) {
        out.line(`pod ${JSON.stringify(name)} has DeletionTimestamp older than ${skip} seconds, skipping`);
        return;
      }
    } catch (error) {
      if (isNotFound(error)) break;
      throw error;
    }
    if (clock.now() >= limit)
      throw new KubectlError(
        `error when waiting for pod ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)} to terminate: context deadline exceeded`,
      );
    await sleep(clock, 1000, signal);
  }
  out.line(`pod/${name} ${f['disable-eviction'] ? 'deleted' : 'evicted'}`);
}
