import { sleep } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isNotFound, isStatusError } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { allContainers, containerNamed, containerNames, defaultContainerAnnotation } from '../containers.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { type FlagValues, flag } from '../flags.ts';
import { podSelector, podsOf } from '../pods-of.ts';
import { pods } from '../resources.ts';
import { objectsOf } from '../targets.ts';

const flags = {
  'all-containers': flag.bool("Get all containers' logs in the pod(s)."),
  'all-pods': flag.bool('Get logs from all pod(s). Sets prefix to true.'),
  container: flag.string('Print the logs of this container.', { short: 'c' }),
  follow: flag.bool('Specify if the logs should be streamed.', { short: 'f' }),
  'ignore-errors': flag.bool(
    'If watching / following pod logs, allow for any errors that occur to be non-fatal.',
  ),
  'insecure-skip-tls-verify-backend': flag.bool(
    'Skip verifying the identity of the kubelet that logs are requested from.',
  ),
  'limit-bytes': flag.int('Maximum bytes of logs to return. Defaults to no limit.'),
  'max-log-requests': flag.int('How many logs to follow at once, at most.', { default: 5 }),
  'pod-running-timeout': flag.duration('How long to wait until at least one pod is running.', {
    default: 20_000,
  }),
  prefix: flag.bool('Prefix each log line with the log source (pod name and container name).'),
  previous: flag.bool(
    'If true, print the logs for the previous instance of the container in a pod if it exists.',
    {
      short: 'p',
    },
  ),
  selector: flag.string('Selector (label query) to filter on.', { short: 'l' }),
  since: flag.duration('Only return logs newer than a relative duration like 5s, 2m, or 3h.'),
  'since-time': flag.string('Only return logs after a specific date (RFC3339).'),
  tail: flag.int('Lines of recent log file to display; -1 for all. With a selector, 10 unless given.', {
    default: -1,
  }),
  timestamps: flag.bool('Include timestamps on each line in the log output.'),
};
type LogsContext = Context<FlagValues<typeof flags>>;

const usage = 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]';
const expected = `expected '${usage}'.\nPOD or TYPE/NAME is a required argument for the logs command`;

export const logs = command({
  name: 'logs',
  usage,
  summary: 'Print the logs for a container in a pod',
  description:
    'Print the logs for a container in a pod or specified resource. If the pod has only one container, the container name is optional.',
  examples: [
    ['Print the logs of a pod', 'kubectl logs nginx'],
    ['Print the logs of a container, and go on as it writes', 'kubectl logs -f nginx -c proxy'],
    ['Print the last lines of all pods with a label', 'kubectl logs -l app=nginx --all-containers'],
    ['Print the logs of the container that ran before', 'kubectl logs -p nginx'],
    ['Print the last 20 lines of one pod of a deployment', 'kubectl logs --tail=20 deployment/web'],
  ],
  flags,
  async run(context) {
    const { flags: f, out, err, environment } = context;
    const container = check(context);
    const sources = await sourcesOf(context, container);
    if (f.follow && sources.length > 1 && sources.length > f['max-log-requests'])
      throw new KubectlError(
        `you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${f['max-log-requests']}, use --max-log-requests to increase the limit`,
      );
    const take = async (source: Source): Promise<void> => {
      const until = environment.clock.now() + f['pod-running-timeout'];
      for (;;) {
        try {
          return await printLog(context, source);
        } catch (error) {
          if (f['ignore-errors']) return out.line(`error: ${(error as Error).message}`);
          if (!f.follow) throw error;
          // A container that is about to start has no log yet.
          err.line((error as Error).message);
          if (!isStatusError(error)) throw error;
          if (environment.clock.now() + 1000 > until)
            throw new KubectlError('timed out waiting for the condition');
        }
        await sleep(environment.clock, 1000, context.signal);
      }
    };
    if (f.follow) await Promise.all(sources.map(take));
    else for (const source of sources) await take(source);
  },
});

/** The container that was named, as a flag or as an argument. */
function check({ args, flags: f, given }: LogsContext): string {
  if (args.length > 2 || (!args.length && !f.selector)) throw new UsageError(expected);
  if (args.length === 1 && f.selector) throw new UsageError('only a selector (-l) or a POD name is allowed');
  if (f['since-time'] && f.since)
    throw new KubectlError('at most one of `sinceTime` or `sinceSeconds` may be specified');
  if (f['since-time'] && Number.isNaN(Date.parse(f['since-time'])))
    throw new KubectlError(
      `parsing time ${JSON.stringify(f['since-time'])} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(f['since-time'])} as "2006"`,
    );
  const container = args[1] ?? f.container;
  if (f['all-containers'] && container)
    throw new KubectlError(`--all-containers=true should not be specified with container name ${container}`);
  if (given.has('container') && args.length === 2)
    throw new KubectlError('only one of -c or an inline [CONTAINER] arg is allowed');
  if (f['limit-bytes'] < 0) throw new KubectlError('--limit-bytes must be greater than 0');
  if (f.since < 0) throw new KubectlError('--since must be greater than 0');
  if (f.tail < -1) throw new KubectlError('--tail must be greater than or equal to -1');
  return container;
}

interface Source {
  namespace: string;
  pod: string;
  container: string;
}

async function sourcesOf(context: LogsContext, container: string): Promise<Source[]> {
  const { args, flags: f, err } = context;
  const kube = await context.kube();
  let found: AnyObject[];
  if (f.selector) {
    const { items } = await kube.listAll(pods, kube.namespace, { labelSelector: f.selector });
    if (!items.length) err.line(`No resources found in ${kube.namespace} namespace.`);
    found = items as AnyObject[];
  } else found = await podsNamed(context, args[0]!);
  return found.flatMap((pod) => {
    const { name, namespace } = pod.metadata as { name: string; namespace: string };
    const chosen = f['all-containers']
      ? allContainers(pod).map((c) => c.name)
      : [containerOf(context, pod, container)];
    return chosen.map((one) => ({ namespace, pod: name, container: one }));
  });
}

async function podsNamed(context: LogsContext, arg: string): Promise<AnyObject[]> {
  const { flags: f, err, environment, signal } = context;
  const kube = await context.kube();
  const { infos, errors } = await objectsOf(context, { args: [arg], defaultType: 'pods' });
  if (errors.length) {
    const [error] = errors;
    if (!isNotFound(error)) throw error;
    throw new KubectlError(
      `error from server (NotFound): ${(error as Error).message} in namespace ${JSON.stringify(kube.namespace)}`,
    );
  }
  const { object } = infos[0]!;
  if (object.kind === 'Pod') return [object];
  const found = await podsOf(
    kube,
    object.metadata.namespace,
    podSelector(object, 'cannot get the logs from'),
    {
      clock: environment.clock,
      timeoutMs: f['pod-running-timeout'],
      signal,
      moreRestartsFirst: true,
    },
  );
  if (f['all-pods']) return found;
  if (found.length > 1) err.line(`Found ${found.length} pods, using pod/${found[0]!.metadata.name}`);
  return found.slice(0, 1);
}

function containerOf({ err, flags: f }: LogsContext, pod: AnyObject, wanted: string): string {
  let name = wanted;
  const preferred: string | undefined = pod.metadata.annotations?.[defaultContainerAnnotation];
  if (!name && preferred) {
    if (allContainers(pod).some((c) => c.name === preferred)) name = preferred;
    else
      err.line(`Default container name ${JSON.stringify(preferred)} not found in pod ${pod.metadata.name}`);
  }
  if (!name) {
    name = pod.spec.containers[0].name;
    if (allContainers(pod).length > 1 && !f['all-pods'])
      err.line(`Defaulted container ${JSON.stringify(name)} out of: ${containerNames(pod)}`);
  }
  return containerNamed(pod, name).name;
}

function queryOf({ flags: f, given }: LogsContext, container: string): string {
  const query = new URLSearchParams({ container });
  for (const name of ['follow', 'previous', 'timestamps'] as const) if (f[name]) query.set(name, 'true');
  if (f['insecure-skip-tls-verify-backend']) query.set('insecureSkipTLSVerifyBackend', 'true');
  if (f['limit-bytes']) query.set('limitBytes', String(f['limit-bytes']));
  if (f.since) query.set('sinceSeconds', String(Math.round(f.since / 1000)));
  if (f['since-time']) query.set('sinceTime', f['since-time']);
  if (f.tail !== -1) query.set('tailLines', String(f.tail));
  else if (f.selector && !given.has('tail')) query.set('tailLines', '10');
  return String(query);
}

async function printLog(context: LogsContext, { namespace, pod, container }: Source): Promise<void> {
  const { flags: f, environment, signal } = context;
  const kube = await context.kube();
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log?${queryOf(context, container)}`;
  const response = await kube.rest.send({ method: 'GET', path, stream: true, signal });
  const prefix = f.prefix || f['all-pods'] ? `[pod/${pod}/${container}] ` : '';
  const { stdout } = environment;
  if (!prefix) {
    for await (const piece of response.stream()) {
      stdout.write(piece);
      await stdout.drained();
    }
    return;
  }
  // Lines of several logs must not run into each other.
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of response.stream()) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop()!;
    stdout.write(lines.map((line) => `${prefix}${line}\n`).join(''));
    await stdout.drained();
  }
  if (rest) stdout.write(`${prefix}${rest}`);
}
