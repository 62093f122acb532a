import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command } from '../command.ts';
import { chooseContainer } from '../containers.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { attachablePod } from '../pods-of.ts';
import { openStreams } from '../remote.ts';
import { objectsOf } from '../targets.ts';
import { streamFlagTexts, wantsTerminal, withStreams } from '../terminal.ts';
import { podRunningTimeoutFlag } from './exec.ts';

export interface AttachOptions {
  container: string;
  stdin: boolean;
  tty: boolean;
  quiet: boolean;
}

/** Connects the user to a container that runs, until either ends. Gives the exit code. */
export async function attachToPod(context: Context, pod: AnyObject, options: AttachOptions): Promise<number> {
  const { err, out } = context;
  const { quiet, stdin } = options;
  const container = chooseContainer(context, pod, { name: options.container, quiet });
  // Without a terminal in the container there is none to share; with one, its output cannot be taken apart.
  if (options.tty && !container.tty && !quiet)
    err.line(`error: Unable to use a TTY - container ${container.name} did not allocate one`);
  const terminal = wantsTerminal(context, { stdin, tty: container.tty === true, quiet });
  if (!quiet) {
    err.line(
      'All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt.',
    );
    err.line("If you don't see a command prompt, try pressing enter.");
  }
  const opener = await openStreams(context);
  const { name, namespace } = pod.metadata as { name: string; namespace: string };
  const status = await withStreams(context, { stdin, terminal }, (streams) =>
    opener.attach({ namespace, pod: name, container: container.name, ...streams }),
  );
  if (status.code) err.line(`command terminated with exit code ${status.code}`);
  else if (!quiet && stdin && terminal)
    out.line(
      `Session ended, resume using 'kubectl attach ${name} -c ${container.name} -n ${namespace} -i -t' command`,
    );
  return status.code;
}

export const attach = command({
  name: 'attach',
  usage: 'attach (POD | TYPE/NAME) -c CONTAINER',
  summary: 'Attach to a running container',
  description: 'Attach to a process that is already running inside an existing container.',
  examples: [
    ['Get output from a running pod', 'kubectl attach mypod'],
    ['Talk to its process in a terminal', 'kubectl attach mypod -c ruby-container -i -t'],
  ],
  flags: {
    container: flag.string('Container name; without it, the default container, or the first one.', {
      short: 'c',
    }),
    'pod-running-timeout': podRunningTimeoutFlag,
    quiet: flag.bool(streamFlagTexts.quiet, { short: 'q' }),
    stdin: flag.bool(streamFlagTexts.stdin, { short: 'i' }),
    tty: flag.bool(streamFlagTexts.tty, { short: 't' }),
  },
  async run(context) {
    const { args, flags: f, environment, signal } = context;
    if (!args.length) throw new KubectlError('at least 1 argument is required for attach');
    if (args.length > 2)
      throw new KubectlError(
        `expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw ${args.length}: [${args.join(' ')}]`,
      );
    const { infos, errors } = await objectsOf(
      context,
      args.length === 1 ? { args, defaultType: 'pods' } : { args },
    );
    if (errors.length) throw errors[0];
    const pod = await attachablePod(await context.kube(), infos[0]!.object, {
      clock: environment.clock,
      timeoutMs: f['pod-running-timeout'],
      signal,
    });
    const phase = pod.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed')
      throw new KubectlError(`cannot attach a container in a completed pod; current phase is ${phase}`);
    return attachToPod(context, pod, f);
  },
});
