import { type AnyObject, clone } from '../../machinery/meta.ts';
import { isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { allContainers } from '../containers.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags, parseDocuments } from '../manifests.ts';
import { pods } from '../resources.ts';
import { builtInType } from '../schemas.ts';
import { objectsOf } from '../targets.ts';
import { waitForObject } from '../waiting.ts';
import { attachToPod } from './attach.ts';
import { applyProfile, type Keep, profileNamed, type Style } from './debug-profiles.ts';

const onlyCopies = '(This flag only works when used with --copy-to.)';

export const debug = command({
  name: 'debug',
  usage: 'debug (POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ]',
  summary: 'Create debugging sessions for troubleshooting workloads and nodes',
  description:
    'Debug a pod by a container that is added to it, or by a copy of it in which something is changed; or a node, by a pod that has its namespaces and file system.',
  examples: [
    ['Add a container to a pod, and attach to it', 'kubectl debug mypod -it --image=busybox'],
    ['Debug a copy with another image', 'kubectl debug mypod --copy-to=my-debugger --set-image=*=busybox'],
    ['Look at a node; its file system is at /host', 'kubectl debug node/mynode -it --image=busybox'],
  ],
  flags: {
    filename: filenameFlags('identifying the resource to debug').filename,
    'arguments-only': flag.bool(
      'If specified, everything after -- is the container’s args, not its command.',
    ),
    attach: flag.bool('If true, wait for the container to start, and attach to it. The default with -i.'),
    container: flag.string('Container name to use for debug container.', { short: 'c' }),
    'copy-to': flag.string('Create a copy of the target Pod with this name.'),
    custom: flag.string('File with a partial container spec that is merged into the debug container.'),
    env: flag.strings('Environment variables to set in the container.'),
    image: flag.string('Container image to use for debug container.'),
    'image-pull-policy': flag.string('The image pull policy for the container.'),
    'keep-annotations': flag.bool(`If true, keep the original pod annotations. ${onlyCopies}`),
    'keep-init-containers': flag.bool(`Run the init containers for the pod. ${onlyCopies}`, {
      default: true,
    }),
    'keep-labels': flag.bool(`If true, keep the original pod labels. ${onlyCopies}`),
    'keep-liveness': flag.bool(`If true, keep the original pod liveness probes. ${onlyCopies}`),
    'keep-readiness': flag.bool(`If true, keep the original pod readiness probes. ${onlyCopies}`),
    'keep-startup': flag.bool(`If true, keep the original startup probes. ${onlyCopies}`),
    profile: flag.string('One of general, baseline, restricted, netadmin, sysadmin, legacy.', {
      default: 'general',
    }),
    quiet: flag.bool('If true, suppress informational messages.', { short: 'q' }),
    replace: flag.bool('When used with --copy-to, delete the original Pod.'),
    'same-node': flag.bool('When used with --copy-to, schedule the copy of target Pod on the same node.'),
    'set-image': flag.strings('When used with --copy-to, name=image pairs of container images to change.'),
    'share-processes': flag.bool(
      'When used with --copy-to, whether its containers see each other’s processes.',
      {
        default: true,
      },
    ),
    stdin: flag.bool('Keep stdin open on the container(s) in the pod, even if nothing is attached.', {
      short: 'i',
    }),
    target: flag.string('When using an ephemeral container, target processes in this container name.'),
    tty: flag.bool('Allocate a TTY for the debugging container.', { short: 't' }),
  },
  async run(context) {
    const { args, dash, flags: f, given, out, err } = context;
    const names = dash >= 0 ? args.slice(0, dash) : args;
    const session: Session = {
      context,
      words: dash >= 0 ? args.slice(dash) : [],
      images: pairsOf('set-image', f['set-image']),
      env: [...pairsOf('env', f.env)].map(([name, value]) => ({ name, value })),
      keep: {
        labels: f['keep-labels'],
        annotations: f['keep-annotations'],
        liveness: f['keep-liveness'],
        readiness: f['keep-readiness'],
        startup: f['keep-startup'],
        initContainers: f['keep-init-containers'],
      },
      custom: await customContainer(context),
    };
    check(session, names);
    if (f.target && !f.quiet)
      out.line(
        `Targeting container ${JSON.stringify(f.target)}. If you don't see processes from this container it may be because the container runtime doesn't support this feature.`,
      );
    if (f.profile === 'legacy')
      err.line(
        '--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to specify other profile, for example "--profile=general".',
      );
    const { infos, errors } = await objectsOf(context, {
      args: names,
      filename: f.filename,
      defaultType: 'pods',
      latest: true,
    });
    if (errors.length) throw errors[0];
    const attaching = given.has('attach') ? f.attach : f.stdin;
    for (const { object, resource } of infos) {
      let made: Made;
      if (resource.kind === 'Node' && !resource.group) made = await debugNode(session, object);
      else if (resource.kind !== 'Pod' || resource.group)
        throw new KubectlError(
          `"${resource.group ? `${resource.group}/` : '/'}${resource.version}, Kind=${resource.kind}" not supported by debug`,
        );
      else made = f['copy-to'] ? await debugCopy(session, object) : await debugPod(session, object);
      if (attaching && made.container) await attachWhenRunning(context, made.pod, made.container);
    }
  },
});

interface Session {
  context: Context;
  words: string[];
  images: Map<string, string>;
  env: { name: string; value: string }[];
  keep: Keep;
  custom: Record<string, any> | undefined;
}

interface Made {
  pod: AnyObject;
  /** Empty where only images were changed: there is none to attach to. */
  container: string;
}

function pairsOf(name: string, list: string[]): Map<string, string> {
  return new Map(
    list.map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 0)
        throw new KubectlError(
          `invalid argument "${pair}" for "--${name}" flag: ${pair} must be formatted as key=value`,
        );
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

/** The partial container of `--custom`. Throws where it says what is not its business. */
async function customContainer({ flags: f, environment }: Context): Promise<Session['custom']> {
  if (!f.custom) return undefined;
  let text: string;
  try {
    text = new TextDecoder().decode(await environment.files.read(f.custom));
  } catch (error) {
    throw new KubectlError(
      `must pass a container spec json file for custom profile: ${(error as Error).message}`,
    );
  }
  const custom = (await parseDocuments(text))[0] as Record<string, any> | undefined;
  if (typeof custom !== 'object' || custom === null)
    throw new KubectlError(`${f.custom} does not contain a valid container spec`);
  const fixed = ['name', 'command', 'image', 'lifecycle', 'volumeDevices'];
  if (fixed.some((field) => custom[field]))
    throw new KubectlError(
      'name, command, image, lifecycle and volume devices are not modifiable via custom profile',
    );
  return custom;
}

const fitImage = (image: string): boolean =>
  /^[a-z0-9]([\w.:/@-]*\w)?$/i.test(image) &&
  !/[A-Z]/.test(image.split(/[:@]/)[0]!.split('/').slice(1).join('/'));

function check({ context, words, images, keep }: Session, names: string[]): void {
  const { flags: f, given } = context;
  const refuse = (wrong: boolean, why: string) => {
    if (wrong) throw new KubectlError(why);
  };
  profileNamed(f.profile, keep);
  refuse(
    f.attach && given.has('attach') && !f.image && !f.container,
    'you must specify --container or create a new container using --image in order to attach.',
  );
  if (f['copy-to']) {
    refuse(
      !f.image && !images.size && !words.length,
      'you must specify --image, --set-image or command arguments.',
    );
    refuse(
      words.length > 0 && !f.container && !f.image,
      'you must specify an existing container or a new image when specifying args.',
    );
  } else {
    refuse(f.replace, '--replace may only be used with --copy-to.');
    refuse(f['same-node'], '--same-node may only be used with --copy-to.');
    refuse(images.size > 0, '--set-image may only be used with --copy-to.');
    refuse(!f.image, 'you must specify --image when not using --copy-to.');
  }
  refuse(
    f.image && !fitImage(f.image),
    `invalid image name ${JSON.stringify(f.image)}: invalid reference format`,
  );
  refuse(!names.length && !f.filename.length, 'NAME or filename is required for debug');
  refuse(
    !['', 'Always', 'IfNotPresent', 'Never'].includes(f['image-pull-policy']),
    `invalid image pull policy: ${f['image-pull-policy']}`,
  );
  for (const [name, image] of images)
    refuse(
      !fitImage(image),
      `invalid image name ${JSON.stringify(image)} for container ${JSON.stringify(name)}: invalid reference format`,
    );
  refuse(f.target && f['copy-to'], '--target is incompatible with --copy-to. Use --share-processes instead.');
  refuse(f.tty && !f.stdin, '-i/--stdin is required for containers with -t/--tty=true');
}

/** A container of the flags. */
function containerFor({ context: { flags: f }, words, env }: Session, name: string): Record<string, any> {
  return {
    name,
    image: f.image,
    terminationMessagePolicy: 'File',
    ...(env.length ? { env } : {}),
    ...(f['image-pull-policy'] ? { imagePullPolicy: f['image-pull-policy'] } : {}),
    ...(f.stdin ? { stdin: true } : {}),
    ...(f.tty ? { tty: true } : {}),
    ...(words.length ? { [f['arguments-only'] ? 'args' : 'command']: words } : {}),
  };
}

/** Applies the profile, and what the user made of it, to the container of that name in the list. */
async function shape(
  { context, keep, custom }: Session,
  style: Style,
  pod: AnyObject,
  list: Record<string, any>[],
  name: string,
): Promise<Record<string, any>> {
  const index = list.findIndex((container) => container.name === name);
  applyProfile(context.flags.profile, style, keep, pod, list[index]!);
  if (custom) {
    const { strategicMergePatch } = await import('../../machinery/patch/strategic.ts');
    const { schemas } = (await builtInType(pods))!;
    list[index] = strategicMergePatch(list[index], custom, 'core.v1.Container', schemas);
  }
  return list[index]!;
}

/** Five letters and digits that make no words. */
const suffix = ({ environment: { random } }: Context): string =>
  Array.from({ length: 5 }, () => 'bcdfghjklmnpqrstvwxz2456789'[Math.floor(random() * 27)]).join('');

function newName(context: Context, pod: AnyObject): string {
  const { flags: f, out } = context;
  if (f.container) return f.container;
  const taken = new Set(allContainers(pod).map(({ name }) => name));
  let name: string;
  do name = `debugger-${suffix(context)}`;
  while (taken.has(name));
  if (!f.quiet) out.line(`Defaulting debug container name to ${name}.`);
  return name;
}

/** Capabilities are of little use to a user who is not root. */
function warnOfUser({ err }: Context, pod: AnyObject, container: Record<string, any>): void {
  const context = container.securityContext;
  if (!pod.spec.securityContext?.runAsUser || !context || context.runAsUser === 0) return;
  if (!context.privileged && !context.capabilities?.add?.length) return;
  err.line(
    'Warning: Non-root user is configured for the entire target Pod, and some capabilities granted by debug profile may not work. Please consider using "--custom" with a custom profile that specifies "securityContext.runAsUser: 0".',
  );
}

async function debugPod(session: Session, pod: AnyObject): Promise<Made> {
  const { context } = session;
  const { target } = context.flags;
  const name = newName(context, pod);
  const changed = clone(pod);
  const list = (changed.spec.ephemeralContainers ??= []);
  list.push({ ...containerFor(session, name), ...(target ? { targetContainerName: target } : {}) });
  const container = await shape(session, 'ephemeral', changed, list, name);
  warnOfUser(context, pod, container);
  const kube = await context.kube();
  const place = { resource: pods, namespace: pod.metadata.namespace!, name: pod.metadata.name! };
  const patch = { spec: { ephemeralContainers: [container] } };
  const made = await kube.patch(place, 'strategic', patch, { subresource: 'ephemeralcontainers' });
  return { pod: made, container: name };
}

async function debugCopy(session: Session, pod: AnyObject): Promise<Made> {
  const { context, images, words, env } = session;
  const { flags: f, given } = context;
  const { namespace, labels, annotations } = pod.metadata;
  const copy: AnyObject = clone({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: f['copy-to'],
      namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
    },
    spec: pod.spec,
  });
  delete copy.spec.ephemeralContainers;
  if (given.has('share-processes')) copy.spec.shareProcessNamespace = f['share-processes'];
  if (!f['same-node']) delete copy.spec.nodeName;
  for (const container of copy.spec.containers)
    container.image = images.get(container.name) ?? images.get('*') ?? container.image;
  const kube = await context.kube();
  const create = async (container: string): Promise<Made> => {
    const made = await kube.create(pods, { namespace }, copy);
    if (f.replace)
      await kube.delete({ resource: pods, namespace, name: pod.metadata.name! }, { gracePeriodSeconds: 0 });
    return { pod: made, container };
  };
  const known = allContainers(copy).find((one) => one.name === f.container);
  if (!known && !f.image) {
    if (images.size) return create('');
    throw new KubectlError('you must specify image when creating new container');
  }
  const name = known?.name ?? newName(context, copy);
  if (known) {
    if (words.length && f['arguments-only']) known.args = words;
    else if (words.length) {
      known.command = words;
      delete known.args;
    }
    if (env.length) known.env = env;
    if (f.image) known.image = f.image;
    if (f['image-pull-policy']) known.imagePullPolicy = f['image-pull-policy'];
    Object.assign(known, { stdin: f.stdin, tty: f.tty });
  } else copy.spec.containers.push(containerFor(session, name));
  const inits: Record<string, any>[] = copy.spec.initContainers ?? [];
  const list = inits.some((one) => one.name === name) ? inits : copy.spec.containers;
  const container = await shape(session, 'copy', copy, list, name);
  warnOfUser(context, copy, container);
  return create(name);
}

async function debugNode(session: Session, node: AnyObject): Promise<Made> {
  const { context } = session;
  const { flags: f, out } = context;
  const container = f.container || 'debugger';
  const nodeName = node.metadata.name!;
  const name = `node-debugger-${nodeName}-${suffix(context)}`;
  if (!f.quiet) out.line(`Creating debugging pod ${name} with container ${container} on node ${nodeName}.`);
  const kube = await context.kube();
  const pod: AnyObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: kube.namespace,
      labels: { 'app.kubernetes.io/managed-by': 'kubectl-debug' },
    },
    spec: {
      containers: [containerFor(session, container)],
      nodeName,
      restartPolicy: 'Never',
      tolerations: [{ operator: 'Exists' }],
    },
  };
  await shape(session, 'node', pod, pod.spec.containers, container);
  return { pod: await kube.create(pods, { namespace: kube.namespace }, pod), container };
}

const statusOf = ({ status }: AnyObject, name: string): any =>
  [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find((one) => one.name === name);

/** Attaches once the container runs; shows its log where it has ended already or does not let itself be attached to. */
async function attachWhenRunning(context: Context, made: AnyObject, container: string): Promise<void> {
  const { flags: f, environment, err, signal } = context;
  const kube = await context.kube();
  const { name, namespace } = made.metadata as { name: string; namespace: string };
  const options = { clock: environment.clock, timeoutMs: 2 ** 31 - 1, signal };
  let told = '';
  const pod = (await waitForObject(kube, { resource: pods, namespace, name }, options, (found) => {
    if (!found) throw new KubectlError(`pods ${JSON.stringify(name)} not found`);
    const state = statusOf(found, container)?.state;
    const waiting: string = state?.waiting?.message ?? '';
    if (waiting && waiting !== told && !f.quiet) err.line(`Warning: container ${container}: ${waiting}`);
    told = waiting;
    return Boolean(state?.running || state?.terminated);
  }))!;
  if (!statusOf(pod, container).state.terminated) {
    try {
      await attachToPod(context, pod, { container, stdin: f.stdin, tty: f.tty, quiet: f.quiet });
      return;
    } catch (error) {
      if (signal.aborted || isNotFound(error)) throw error;
      err.line(
        `warning: couldn't attach to pod/${name}, falling back to streaming logs: ${(error as Error).message}`,
      );
    }
  }
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/log?container=${container}`;
  const response = await kube.rest.send({ method: 'GET', path, stream: true, signal });
  for await (const piece of response.stream()) environment.stdout.write(piece);
}
