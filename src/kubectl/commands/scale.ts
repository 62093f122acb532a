import { sleep } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isConflict, isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { aggregateText, KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { changeCause, recordFlag, recordPatch } from '../recording.ts';
import { type Info, objectsOf } from '../targets.ts';
import { TimedOut } from '../waiting.ts';
import { allFlag, selectorFlag } from '../writing.ts';

const pollMs = 500;

export const scale = command({
  name: 'scale',
  usage:
    'scale [--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)',
  summary: 'Set a new size for a deployment, replica set, or replication controller',
  examples: [
    ['Scale a deployment to three replicas', 'kubectl scale --replicas=3 deployment/web'],
    ['Scale only from two', 'kubectl scale --current-replicas=2 --replicas=3 deployment/web'],
  ],
  flags: {
    ...filenameFlags('identifying the resource to set a new size'),
    ...outputFlags,
    all: allFlag,
    'current-replicas': flag.int('Precondition for current size; -1: whatever it is.', { default: -1 }),
    'dry-run': dryRunFlag,
    record: recordFlag,
    replicas: flag.int('The new desired number of replicas. Required.', { default: -1 }),
    'resource-version': flag.string('Precondition for resource version.'),
    selector: selectorFlag,
    timeout: flag.duration('The length of time to wait for the new size; zero means do not wait.'),
  },
  async run(context) {
    const { flags: f } = context;
    if (!context.given.has('replicas')) throw new KubectlError('required flag(s) "replicas" not set');
    if (f.replicas < 0)
      throw new KubectlError(
        'The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0',
      );
    if (f['current-replicas'] < -1)
      throw new KubectlError('The --current-replicas must specify an integer of -1 or greater');
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const { infos, errors } = await objectsOf(context, {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      selector: f.selector,
      bareTypes: f.all,
      all: f.all,
    });
    if (f['resource-version'] && infos.length > 1)
      throw new KubectlError('cannot use --resource-version with multiple resources');
    if (!infos.length) {
      const why = aggregateText(errors);
      throw new KubectlError(`no objects passed to scale${why && ` ${why}`}`);
    }
    for (const info of infos) {
      const spec = { ...info.object.spec, replicas: f.replicas };
      if (dryRun !== 'client') {
        await scaleTo(context, info, dryRunOption(dryRun));
        const cause = changeCause(context);
        if (cause !== undefined)
          await (await context.kube()).patch(info, 'merge', recordPatch(cause), dryRunOption(dryRun));
        if (f.timeout && dryRun === 'none') await waitForSize(context, info);
      }
      print({ ...info.object, spec }, 'scaled');
    }
    throwAll(errors);
  },
});

/** Asks for the size through the scale subresource. Throws where a precondition does not hold. */
async function scaleTo(context: Context, info: Info, options: object): Promise<void> {
  const kube = await context.kube();
  const { replicas, 'current-replicas': current, 'resource-version': version } = context.flags;
  const subresource = 'scale';
  if (current === -1 && !version) {
    await kube.patch(info, 'merge', { spec: { replicas } }, { ...options, subresource });
    return;
  }
  for (let attempt = 0; ; attempt++) {
    const found = await kube.get(info, { subresource });
    const size = found.spec?.replicas ?? 0;
    if (current !== -1 && size !== current)
      throw new KubectlError(`Expected replicas to be ${current}, was ${size}`);
    if (version && found.metadata.resourceVersion !== version)
      throw new KubectlError(
        `Expected resource version to be ${version}, was ${found.metadata.resourceVersion}`,
      );
    try {
      await kube.update(info, { ...found, spec: { ...found.spec, replicas } }, { ...options, subresource });
      return;
    } catch (error) {
      if (!isConflict(error) || version || attempt > 100) throw error;
    }
  }
}

async function waitForSize(context: Context, info: Info): Promise<void> {
  const kube = await context.kube();
  const { clock } = context.environment;
  const until = clock.now() + context.flags.timeout;
  for (;;) {
    let scale: AnyObject | undefined;
    try {
      scale = await kube.get(info, { subresource: 'scale' });
    } catch (error) {
      if (!isStatusError(error) || error.code !== 503) throw error; // the server will be back
    }
    if (
      scale &&
      scale.spec?.replicas === context.flags.replicas &&
      scale.status?.replicas === context.flags.replicas
    )
      return;
    if (clock.now() >= until) throw new TimedOut('timed out waiting for the condition');
    await sleep(clock, pollMs, context.signal);
  }
}
