import { command } from '../command.ts';
import { chooseContainer } from '../containers.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { attachablePod } from '../pods-of.ts';
import { openStreams } from '../remote.ts';
import { objectsOf } from '../targets.ts';
import { streamFlagTexts, wantsTerminal, withStreams } from '../terminal.ts';

export const podRunningTimeoutFlag = flag.duration('How long to wait until at least one pod is running.', {
  default: 60_000,
});

export const exec = command({
  name: 'exec',
  usage: 'exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]',
  summary: 'Execute a command in a container',
  examples: [
    ['Get output from running the date command in a pod', 'kubectl exec mypod -- date'],
    ['Run it in another container', 'kubectl exec mypod -c ruby-container -- date'],
    ['Work in a shell', 'kubectl exec mypod -it -- sh'],
    ['Use a pod of a deployment', 'kubectl exec deploy/mydeployment -- date'],
  ],
  flags: {
    ...filenameFlags('to use to exec into the resource'),
    container: flag.string('Container name; without it, the default container, or the first one.', {
      short: 'c',
    }),
    'pod-running-timeout': podRunningTimeoutFlag,
    quiet: flag.bool(streamFlagTexts.quiet, { short: 'q' }),
    stdin: flag.bool(streamFlagTexts.stdin, { short: 'i' }),
    tty: flag.bool(streamFlagTexts.tty, { short: 't' }),
  },
  async run(context) {
    const { args, dash, flags: f, environment, signal, err } = context;
    const name = args.length && dash !== 0 ? args[0] : undefined;
    const words = dash >= 0 ? args.slice(dash) : [];
    if (dash < 0 && (args.length > 1 || (args.length && f.filename.length)))
      throw new UsageError(
        'exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead',
      );
    if (!name && !f.filename.length) throw new KubectlError('pod, type/name or --filename must be specified');
    if (!words.length) throw new KubectlError('you must specify at least one command for the container');
    const kube = await context.kube();
    const { infos, errors } = await objectsOf(context, {
      args: name ? [name] : [],
      filename: f.filename,
      defaultType: 'pods',
      latest: true,
    });
    if (errors.length) throw errors[0];
    if (infos.length > 1) throw new KubectlError('cannot exec into multiple objects at a time');
    const pod = await attachablePod(kube, infos[0]!.object, {
      clock: environment.clock,
      timeoutMs: f['pod-running-timeout'],
      signal,
    });
    const phase = pod.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed')
      throw new KubectlError(`cannot exec into a container in a completed pod; current phase is ${phase}`);
    const container = chooseContainer(context, pod, { name: f.container, quiet: f.quiet }).name;
    const terminal = wantsTerminal(context, f);
    const opener = await openStreams(context);
    const status = await withStreams(context, { stdin: f.stdin, terminal }, (streams) =>
      opener.exec({
        namespace: pod.metadata.namespace!,
        pod: pod.metadata.name!,
        container,
        command: words,
        ...streams,
      }),
    );
    if (status.code) err.line(`command terminated with exit code ${status.code}`);
    return status.code;
  },
});
