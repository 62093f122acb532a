import type { Options } from '../../client/client.ts';
import { time } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command, entry } from '../command.ts';
import { PlainDescription } from '../describe/description.ts';
import { describePodTemplate } from '../describe/pod-template.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import {
  changePrinter,
  dryRunFlag,
  dryRunOf,
  dryRunOption,
  nameOf,
  objectPrinter,
  outputFlags,
} from '../output.ts';
import { describeTabs, laidOut } from '../printers/tabs.ts';
import { type Info, objectsOf } from '../targets.ts';
import { waitForObject } from '../waiting.ts';
import { fieldManagerFlag, lastAppliedAnnotation, selectorFlag } from '../writing.ts';
import { podTemplateOf } from './pod-spec.ts';
import { type Revision, revisionsOf } from './rollout/history.ts';
import { rolloutStatus } from './rollout/status.ts';
import { EditError, updateObjects } from './set/update.ts';

const restartedAt = 'kubectl.kubernetes.io/restartedAt';
const yearMs = 365 * 24 * 3_600_000;

const commonFlags = {
  ...filenameFlags('identifying the resource to get from a server'),
  selector: selectorFlag,
};
const changeFlags = {
  ...commonFlags,
  ...outputFlags,
  'dry-run': dryRunFlag,
  'field-manager': fieldManagerFlag('kubectl-rollout'),
};

function checkNamed(context: Context): void {
  if (!context.args.length && !context.flags.filename.length && !context.flags.kustomize)
    throw new KubectlError('required resource not specified');
}

const objects = (context: Context) =>
  objectsOf(context, {
    args: context.args,
    filename: context.flags.filename,
    recursive: context.flags.recursive,
    kustomize: context.flags.kustomize,
    selector: context.flags.selector,
    bareTypes: true,
    latest: true,
  });

const noneFound = async (context: Context): Promise<void> =>
  context.err.line(`No resources found in ${(await context.kube()).namespace} namespace.`);

const status = command({
  name: 'status',
  usage: 'rollout status (TYPE NAME | TYPE/NAME) [flags]',
  summary: 'Show the status of the rollout',
  examples: [['Follow the rollout of a deployment', 'kubectl rollout status deployment/web']],
  flags: {
    ...commonFlags,
    revision: flag.int('Pin to a specific revision for showing its status; 0: the last.'),
    timeout: flag.duration('The length of time to wait before ending watch, zero means never.'),
    watch: flag.bool("Watch the status of the rollout until it's done.", { default: true, short: 'w' }),
  },
  async run(context) {
    checkNamed(context);
    const { flags: f, out, environment } = context;
    if (f.revision < 0) throw new KubectlError(`revision must be a positive integer: ${f.revision}`);
    const { infos, errors } = await objects(context);
    if (!infos.length && !errors.length) return noneFound(context);
    const kube = await context.kube();
    const follow = async (info: Info): Promise<void> => {
      const { kind, group } = info.resource;
      if (group !== 'apps' || !['Deployment', 'DaemonSet', 'StatefulSet'].includes(kind))
        throw new KubectlError(
          `no status viewer has been implemented for ${kind}${group ? `.${group}` : ''}`,
        );
      let seen = false;
      await waitForObject(
        kube,
        info,
        { clock: environment.clock, timeoutMs: f.timeout || yearMs, signal: context.signal },
        (object) => {
          if (!object)
            throw new KubectlError(seen ? 'object has been deleted' : 'timed out waiting for the condition');
          seen = true;
          const { text, done } = rolloutStatus({ ...object, kind }, f.revision);
          out.write(text);
          return done || !f.watch;
        },
      );
    };
    // One that fails does not keep the others from being followed.
    for (const info of infos) await follow(info).catch((error) => void errors.push(error));
    throwAll(errors);
  },
});

const history = command({
  name: 'history',
  usage: 'rollout history (TYPE NAME | TYPE/NAME) [flags]',
  summary: 'View rollout history',
  examples: [
    ['View the history of a deployment', 'kubectl rollout history deployment/web'],
    ['View the details of a revision', 'kubectl rollout history daemonset/agent --revision=3'],
  ],
  flags: {
    ...commonFlags,
    ...outputFlags,
    revision: flag.int('See the details, including podTemplate of the revision specified.'),
  },
  async run(context) {
    checkNamed(context);
    const { flags: f, out } = context;
    if (f.revision < 0) throw new KubectlError(`revision must be a positive integer: ${f.revision}`);
    const { infos, errors } = await objects(context);
    const kube = await context.kube();
    for (const info of infos) {
      const revisions = await revisionsOf(kube, info);
      const one = f.revision ? revisions.find((r) => r.number === f.revision) : undefined;
      if (!f.output && f.template) {
        // A template alone is for the object, not for its revisions.
        (await objectPrinter(context.environment, f))(info.object, out);
        continue;
      }
      if (f.output) {
        const print = await objectPrinter(context.environment, f);
        if (f.revision && !one) throw new KubectlError('unable to find the specified revision');
        for (const { object } of one ? [one] : revisions) print(object, out);
        continue;
      }
      if (f.revision && revisions.length && !one)
        throw new KubectlError('unable to find the specified revision');
      const with_ = f.revision ? `with revision #${f.revision}` : '';
      out.line(`${nameOf(info.object)} ${with_}`);
      out.line(
        revisions.length
          ? one
            ? templateText(one.template)
            : historyTable(revisions)
          : 'No rollout history found.',
      );
    }
    throwAll(errors);
  },
});

const historyTable = (revisions: Revision[]): string =>
  laidOut(
    describeTabs,
    `REVISION\tCHANGE-CAUSE\n${revisions.map(({ number, cause }) => `${number}\t${cause || '<none>'}\n`).join('')}`,
  );

function templateText(template: any): string {
  const d = new PlainDescription();
  describePodTemplate(d, template);
  return d.toString();
}

const pauseOrResume = (name: 'pause' | 'resume', paused: boolean, summary: string) =>
  command({
    name,
    usage: `rollout ${name} RESOURCE`,
    summary,
    examples: [[`${summary} of a deployment`, `kubectl rollout ${name} deployment/web`]],
    flags: changeFlags,
    async run(context) {
      checkNamed(context);
      const infos = await updateObjects(
        context,
        { resources: context.args, said: `${name}d`, failure: 'failed to patch', latest: true },
        (object) => {
          if (object.kind !== 'Deployment')
            throw new EditError(`${paused ? 'pausing' : 'resuming'} is not supported`);
          if (object.spec.paused === true && paused) throw new EditError('is already paused');
          if (!object.spec.paused && !paused) throw new EditError('is not paused');
          if (paused) object.spec.paused = true;
          else delete object.spec.paused;
        },
      );
      if (!infos.length) await noneFound(context);
    },
  });

const restart = command({
  name: 'restart',
  usage: 'rollout restart RESOURCE',
  summary: 'Restart a resource',
  examples: [['Restart the pods of a deployment', 'kubectl rollout restart deployment/web']],
  flags: changeFlags,
  async run(context) {
    checkNamed(context);
    const infos = await updateObjects(
      context,
      { resources: context.args, said: 'restarted', failure: 'failed to patch', latest: true },
      (object) => {
        if (!['Deployment', 'DaemonSet', 'StatefulSet'].includes(object.kind))
          throw new EditError('restarting is not supported');
        if (object.spec.paused)
          throw new EditError("can't restart paused deployment (run rollout resume first)");
        const template = podTemplateOf(object)!;
        template.metadata = {
          ...template.metadata,
          annotations: {
            ...template.metadata?.annotations,
            [restartedAt]: time(context.environment.clock.now()),
          },
        };
      },
    );
    if (!infos.length) await noneFound(context);
  },
});

const undo = command({
  name: 'undo',
  usage: 'rollout undo (TYPE NAME | TYPE/NAME) [flags]',
  summary: 'Undo a previous rollout',
  examples: [
    ['Roll back to the revision before', 'kubectl rollout undo deployment/web'],
    ['Roll back to a revision', 'kubectl rollout undo daemonset/agent --to-revision=3'],
  ],
  flags: {
    ...commonFlags,
    ...outputFlags,
    'dry-run': dryRunFlag,
    'to-revision': flag.int('The revision to rollback to; 0: the last before the present one.'),
  },
  async run(context) {
    checkNamed(context);
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const { infos, errors } = await objects(context);
    for (const info of infos) {
      try {
        if (info.object.metadata.annotations?.[lastAppliedAnnotation])
          context.err.line(
            `Warning: resource ${info.resource.plural}/${info.name} was previously managed with 'kubectl apply'. Rolling back will not update the ${lastAppliedAnnotation} annotation, which may cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file instead.`,
          );
        const { object, said } = await rollBack(context, info, dryRunOption(dryRun), dryRun === 'client');
        print(object, said);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  },
});

const hashLabel = 'pod-template-hash';

async function rollBack(
  context: Context,
  info: Info,
  options: Options,
  local: boolean,
): Promise<{ object: AnyObject; said: string }> {
  const kube = await context.kube();
  const { object } = info;
  const wanted: number = context.flags['to-revision'];
  const revisions = await revisionsOf(kube, info, 'rollbacker');
  const target = targetRevision(object, revisions, wanted);
  if (local)
    return { object, said: `${target.data ? 'will roll back to ' : ''}${templateText(target.template)}` };
  if (object.kind === 'Deployment' && object.spec.paused)
    throw new KubectlError(
      "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
    );
  if (!target.data) {
    const { [hashLabel]: _, ...labels } = target.object.spec.template.metadata?.labels ?? {};
    const template = {
      ...target.object.spec.template,
      metadata: { ...target.object.spec.template.metadata, labels },
    };
    if (sameTemplate(template, object.spec.template))
      return {
        object,
        said: `skipped rollback (current template already matches revision ${wanted})`,
      };
    const annotations = restoredAnnotations(object, target.object);
    // `add` also replaces, and an object without annotations has nothing to replace.
    const patch = [
      { op: 'replace', path: '/spec/template', value: template },
      { op: 'add', path: '/metadata/annotations', value: annotations },
    ];
    const result = await kube.patch(info, 'json', patch, options);
    return { object: { apiVersion: object.apiVersion, kind: object.kind, ...result }, said: 'rolled back' };
  }
  if (sameTemplate(target.template, object.spec.template))
    return { object, said: `skipped rollback (current template already matches revision ${wanted})` };
  const result = await kube.patch(info, 'strategic', target.data, options);
  return { object: { apiVersion: object.apiVersion, kind: object.kind, ...result }, said: 'rolled back' };
}

/** Annotations that belong to the deployment itself, not to one of its revisions. */
const ownAnnotations = [
  lastAppliedAnnotation,
  'deployment.kubernetes.io/revision',
  'deployment.kubernetes.io/revision-history',
  'deployment.kubernetes.io/desired-replicas',
  'deployment.kubernetes.io/max-replicas',
  'deprecated.deployment.rollback.to',
];

/** The revision's annotations (its change cause among them), with the deployment's own ones kept. */
function restoredAnnotations(deployment: AnyObject, revision: AnyObject): Record<string, string> {
  const isOwn = ([key]: [string, string]) => ownAnnotations.includes(key);
  const kept = Object.entries<string>(deployment.metadata.annotations ?? {}).filter(isOwn);
  const restored = Object.entries<string>(revision.metadata.annotations ?? {}).filter((e) => !isOwn(e));
  return Object.fromEntries([...kept, ...restored]);
}

function targetRevision({ kind, metadata }: AnyObject, revisions: Revision[], wanted: number): Revision {
  if (wanted) {
    const found = revisions.find((r) => r.number === wanted);
    if (!found) throw new KubectlError(`unable to find specified revision ${wanted} in history`);
    return found;
  }
  const before = revisions.at(-2);
  if (!before)
    throw new KubectlError(
      kind === 'Deployment'
        ? `no rollout history found for deployment ${JSON.stringify(metadata.name)}`
        : 'no last revision to roll back to',
    );
  return before;
}

const sameTemplate = (a: any, b: any): boolean => canonical(a) === canonical(b);
const canonical = (value: any): string =>
  JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(
          Object.keys(inner)
            .filter((key) => inner[key] !== null)
            .sort()
            .map((key) => [key, inner[key]]),
        )
      : inner,
  );

export const rollout = command({
  name: 'rollout',
  usage: 'rollout SUBCOMMAND',
  summary: 'Manage the rollout of a resource',
  description: 'Manage the rollout of one or many resources: deployments, daemon sets and stateful sets.',
  examples: [['Roll back to the previous deployment', 'kubectl rollout undo deployment/web']],
  commands: [
    history,
    pauseOrResume('pause', true, 'Mark the provided resource as paused'),
    restart,
    pauseOrResume('resume', false, 'Resume a paused resource'),
    status,
    undo,
  ].map(entry),
});
