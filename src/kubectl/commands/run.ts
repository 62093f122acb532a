import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command } from '../command.ts';
import { Exit, KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { overridden, overrideFlags } from '../overrides.ts';
import { recorded, recordFlag } from '../recording.ts';
import { pods, services, typeMeta } from '../resources.ts';
import { waitForObject } from '../waiting.ts';
import { fieldManagerFlag, saveConfigFlag, withConfiguration } from '../writing.ts';
import { attachToPod } from './attach.ts';
import { metadataOf } from './create/generate.ts';
import { deletePlaces, deletionFlags, gracePeriodOf, propagationPolicy } from './delete.ts';

export const run = command({
  name: 'run',
  usage:
    'run NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] [--overrides=inline-json] [--command] -- [COMMAND] [args...]',
  summary: 'Run a particular image on the cluster',
  examples: [
    ['Start a pod', 'kubectl run nginx --image=nginx'],
    [
      'Start a shell that goes when it ends',
      'kubectl run -it --rm shell --image=busybox --restart=Never -- sh',
    ],
  ],
  flags: {
    ...outputFlags,
    ...deletionFlags,
    ...overrideFlags,
    annotations: flag.stringArray('Annotations to apply to the pod.'),
    attach: flag.bool('If true, wait for the Pod to start running, and then attach to it.'),
    command: flag.bool(
      'If true and extra arguments are present, use them as the command rather than as its arguments.',
    ),
    'dry-run': dryRunFlag,
    env: flag.stringArray('Environment variables to set in the container.'),
    expose: flag.bool('If true, create a ClusterIP service associated with the pod. Requires `--port`.'),
    'field-manager': fieldManagerFlag('kubectl-run'),
    record: recordFlag,
    image: flag.string('The image for the container to run.'),
    'image-pull-policy': flag.string('The image pull policy for the container.'),
    labels: flag.string('Comma separated labels to apply to the pod.', { short: 'l' }),
    'leave-stdin-open': flag.bool('Keep stdin open after the first attach completes.'),
    'pod-running-timeout': flag.duration('The length of time to wait until the pod is running.', {
      default: 60_000,
    }),
    port: flag.string('The port that this container exposes.'),
    privileged: flag.bool('If true, run the container in privileged mode.'),
    quiet: flag.bool('If true, suppress prompt messages.', { short: 'q' }),
    restart: flag.string('The restart policy for this Pod. Legal values [Always, OnFailure, Never].', {
      default: 'Always',
    }),
    rm: flag.bool('If true, delete the pod after it exits.'),
    'save-config': saveConfigFlag,
    stdin: flag.bool('Keep stdin open on the container in the pod, even if nothing is attached.', {
      short: 'i',
    }),
    tty: flag.bool('Allocate a TTY for the container in the pod.', { short: 't' }),
  },
  async run(context) {
    const { args, dash, flags: f, given } = context;
    if (!args.length || dash === 0) throw new UsageError('NAME is required for run');
    if (!f.image) throw new KubectlError('required flag(s) "image" not set');
    if (/\s|[A-Z]/.test(f.image.split('@')[0]!.split(':')[0]!))
      throw new KubectlError(`Invalid image name ${JSON.stringify(f.image)}: invalid reference format`);
    if (f.tty && !f.stdin) throw new UsageError('-i/--stdin is required for containers with -t/--tty=true');
    if (f.expose && !f.port) throw new UsageError('--port must be set when exposing a service');
    const dryRun = dryRunOf(context);
    const attaching = given.has('attach') ? f.attach : f.stdin || f.tty;
    if (f.rm && !attaching) throw new UsageError('--rm should only be used for attached containers');
    if (attaching && dryRun !== 'none')
      throw new UsageError(
        "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
      );
    const kube = await context.kube();
    const pod = await overridden(context, pods, podOf(context));
    const created = await createOne(context, pods, pod);
    const exposed = f.expose ? await createOne(context, services, serviceFor(context, pod)) : undefined;
    if (!attaching) {
      const print = await changePrinter(context, dryRun);
      if (exposed) print(exposed, 'created');
      print(created, 'created');
      return;
    }
    const place = { resource: pods, namespace: kube.namespace, name: created.metadata.name! };
    try {
      await attachAndWait(context, created);
    } finally {
      if (f.rm)
        await deletePlaces(context, [{ ...place, object: created }], [], {
          gracePeriodSeconds: gracePeriodOf(context),
          policy: propagationPolicy(context),
          dryRun: 'none',
          ignoreNotFound: true,
          quiet: f.quiet,
        });
    }
  },
});

function podOf({ args, flags: f }: Context): AnyObject {
  const name = args[0]!;
  const words = args.slice(1);
  const pairs = (list: string[]) =>
    list
      .filter(Boolean)
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const);
  const labels = f.labels ? Object.fromEntries(pairs(f.labels.split(','))) : { run: name };
  const env = (f.env as string[]).map((pair) => {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new KubectlError(`invalid env: ${pair}`);
    return { name: pair.slice(0, equals), value: pair.slice(equals + 1) };
  });
  const annotations = f.annotations as string[];
  const port = f.port ? Number(f.port) : undefined;
  if (port !== undefined && !Number.isInteger(port))
    throw new KubectlError(`strconv.Atoi: parsing ${JSON.stringify(f.port)}: invalid syntax`);
  if (!['Always', 'OnFailure', 'Never'].includes(f.restart))
    throw new UsageError(`invalid restart policy: ${f.restart}`);
  const container = {
    name,
    image: f.image,
    ...(f['image-pull-policy'] ? { imagePullPolicy: f['image-pull-policy'] } : {}),
    ...(words.length ? { [f.command ? 'command' : 'args']: words } : {}),
    ...(env.length ? { env } : {}),
    ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
    resources: {},
    ...(f.privileged ? { securityContext: { privileged: true } } : {}),
    ...(f.stdin ? { stdin: true, ...(f['leave-stdin-open'] ? {} : { stdinOnce: true }) } : {}),
    ...(f.tty ? { tty: true } : {}),
  };
  return {
    ...typeMeta(pods),
    metadata: metadataOf(name, {
      ...(annotations.length ? { annotations: Object.fromEntries(pairs(annotations)) } : {}),
      labels,
    }),
    spec: { containers: [container], dnsPolicy: 'ClusterFirst', restartPolicy: f.restart },
    status: {},
  };
}

const serviceFor = ({ flags: f }: Context, pod: AnyObject): AnyObject => ({
  ...typeMeta(services),
  metadata: metadataOf(pod.metadata.name!),
  spec: {
    ports: [{ port: Number(f.port), protocol: 'TCP', targetPort: Number(f.port) }],
    selector: pod.metadata.labels,
  },
  status: { loadBalancer: {} },
});

async function createOne(context: Context, resource: typeof pods, object: AnyObject): Promise<AnyObject> {
  const dryRun = dryRunOf(context);
  const kube = await context.kube();
  const { flags: f } = context;
  let whole = recorded(context, f['save-config'] ? withConfiguration(object) : object);
  if (kube.explicitNamespace)
    whole = { ...whole, metadata: { ...whole.metadata, namespace: kube.namespace } };
  if (dryRun === 'client') return whole;
  const created = await kube.create(resource, { namespace: kube.namespace }, whole, {
    ...dryRunOption(dryRun),
    fieldManager: f['field-manager'],
  });
  return { ...typeMeta(resource), ...created };
}

const finished = (pod: AnyObject): boolean => ['Succeeded', 'Failed'].includes(pod.status?.phase);

/** Attaches once the pod runs (or shows its log, where it has ended already), and ends as the container does. */
async function attachAndWait(context: Context, created: AnyObject): Promise<void> {
  const { flags: f, environment, signal } = context;
  const kube = await context.kube();
  const place = { resource: pods, namespace: kube.namespace, name: created.metadata.name! };
  const follow = (timeoutMs: number, done: (pod: AnyObject) => boolean) =>
    waitForObject(kube, place, { clock: environment.clock, timeoutMs, signal }, (pod) => {
      if (!pod) throw new KubectlError(`pods ${JSON.stringify(place.name)} not found`);
      return done(pod);
    });
  const ready = (pod: AnyObject): boolean =>
    finished(pod) ||
    (pod.status?.phase === 'Running' &&
      (pod.status.containerStatuses ?? []).every((s: any) => s.state?.running || s.state?.terminated));
  const pod = (await follow(f['pod-running-timeout'], ready))!;
  const container = pod.spec.containers[0].name;
  if (finished(pod)) await showLog(context, pod, container);
  else {
    try {
      await attachToPod(context, pod, { container, stdin: f.stdin, tty: f.tty, quiet: f.quiet });
    } catch (error) {
      if (signal.aborted) throw error;
      context.err.line(
        `warning: couldn't attach to pod/${place.name}, falling back to streaming logs: ${(error as Error).message}`,
      );
      await showLog(context, pod, container);
    }
  }
  if (f.restart === 'Always') return;
  const end = (await follow(f['pod-running-timeout'], finished))!;
  if (end.status.phase === 'Succeeded') return;
  const terminated = end.status.containerStatuses?.[0]?.state?.terminated;
  if (!terminated || !terminated.exitCode)
    throw new KubectlError(`pod ${kube.namespace}/${place.name} failed with unknown exit code`);
  context.err.line(`pod ${kube.namespace}/${place.name} terminated (${terminated.reason ?? ''})
${terminated.message ?? ''}`);
  throw new Exit(terminated.exitCode);
}

async function showLog(context: Context, pod: AnyObject, container: string): Promise<void> {
  const kube = await context.kube();
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}/log?container=${container}&follow=true`;
  const response = await kube.rest.send({ method: 'GET', path, stream: true, signal: context.signal });
  for await (const piece of response.stream()) context.environment.stdout.write(piece);
}
