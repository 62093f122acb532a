import type { AnyObject } from '../../machinery/meta.ts';
import { command } from '../command.ts';
import { allContainers } from '../containers.ts';
import type { Listener } from '../environment.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { attachablePod } from '../pods-of.ts';
import { openStreams } from '../remote.ts';
import { objectsOf } from '../targets.ts';
import { podRunningTimeoutFlag } from './exec.ts';

export const portForward = command({
  name: 'port-forward',
  usage: 'port-forward TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]',
  summary: 'Forward one or more local ports to a pod',
  description:
    'Forward one or more local ports to a pod. Of a deployment or a service, one pod is chosen; the forwarding ends when that pod ends.',
  examples: [
    ['Listen on ports 5000 and 6000 locally', 'kubectl port-forward pod/mypod 5000 6000'],
    ['Use the target port of a service', 'kubectl port-forward service/myservice 8443:https'],
    ['Listen on port 8888 on all addresses', 'kubectl port-forward --address 0.0.0.0 pod/mypod 8888:5000'],
    ['Listen on a free port', 'kubectl port-forward pod/mypod :5000'],
  ],
  flags: {
    address: flag.strings('Addresses to listen on (comma separated): IP addresses, or localhost.', {
      default: ['localhost'],
    }),
    'pod-running-timeout': podRunningTimeoutFlag,
  },
  async run(context) {
    const { args, flags: f, out, err, environment, signal } = context;
    if (args.length < 2) throw new UsageError('TYPE/NAME and list of ports are required for port-forward');
    const { infos, errors } = await objectsOf(context, { args: args.slice(0, 1), defaultType: 'pods' });
    if (errors.length) throw errors[0];
    const { object } = infos[0]!;
    const pod = await attachablePod(await context.kube(), object, {
      clock: environment.clock,
      timeoutMs: f['pod-running-timeout'],
      signal,
    });
    const ports = args
      .slice(1)
      .map((text) => parsePort(text, pod, object.kind === 'Service' ? object : undefined));
    if (pod.status?.phase !== 'Running')
      throw new KubectlError(
        `unable to forward port because pod is not running. Current status=${pod.status?.phase}`,
      );
    const forwarding = await (await openStreams(context)).portForward({
      namespace: pod.metadata.namespace!,
      pod: pod.metadata.name!,
    });
    const listeners: Listener[] = [];
    try {
      for (const { local, remote } of ports) {
        const failures: string[] = [];
        let port = local;
        for (const host of f.address.flatMap(hostsOf)) {
          try {
            const listener = await environment.listen({ host, port }, async (socket) => {
              out.line(`Handling connection for ${port}`);
              try {
                await forwarding.carry(remote, socket);
              } catch (error) {
                err.line(
                  `error: an error occurred forwarding ${port} -> ${remote}: ${(error as Error).message}`,
                );
              }
            });
            listeners.push(listener);
            port = listener.port;
            out.line(`Forwarding from ${host.includes(':') ? `[${host}]` : host}:${port} -> ${remote}`);
          } catch (error) {
            failures.push(`unable to create listener: Error ${listenProblem(error, host, port)}`);
          }
        }
        if (failures.length === f.address.flatMap(hostsOf).length)
          err.line(
            `Unable to listen on port ${port}: Listeners failed to create with the following errors: [${failures.join(' ')}]`,
          );
      }
      if (!listeners.length)
        throw new KubectlError(
          `unable to listen on any of the requested ports: [${ports.map((p) => `{${p.local} ${p.remote}}`).join(' ')}]`,
        );
      await Promise.race([forwarding.closed, aborted(signal)]);
      if (!signal.aborted) throw new KubectlError('lost connection to pod');
    } finally {
      await Promise.all(listeners.map((listener) => listener.close()));
      await forwarding.close();
    }
  },
});

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function hostsOf(address: string): string[] {
  if (address === 'localhost') return ['127.0.0.1', '::1'];
  if (!/^[\d.]+$/.test(address) && !address.includes(':'))
    throw new KubectlError(`${address} is not a valid IP`);
  return [address];
}

function listenProblem(error: unknown, host: string, port: number): string {
  const { code, message } = error as Error & { code?: string };
  const six = host.includes(':');
  const place = `listen ${six ? 'tcp6' : 'tcp4'} ${six ? `[${host}]` : host}:${port}: bind`;
  if (code === 'EADDRINUSE') return `${place}: address already in use`;
  if (code === 'EACCES') return `${place}: permission denied`;
  if (code === 'EADDRNOTAVAIL') return `${place}: cannot assign requested address`;
  return message;
}

interface Port {
  name?: string;
  port?: number;
  containerPort?: number;
  targetPort?: number | string;
  protocol?: string;
}

const containerPorts = (pod: AnyObject): Port[] =>
  allContainers(pod).flatMap((container) => (container.ports ?? []) as Port[]);

/** `5000`, `8080:http`, `:80`; names of a pod's or a service's ports. Throws a KubectlError. */
function parsePort(
  text: string,
  pod: AnyObject,
  service: AnyObject | undefined,
): { local: number; remote: number } {
  const parts = text.split(':');
  if (parts.length > 2) throw new KubectlError(`invalid port format '${text}'`);
  const [localText, remoteText] = parts.length === 2 ? (parts as [string, string]) : [parts[0]!, parts[0]!];
  if (!remoteText) throw new KubectlError('remote port cannot be empty');
  const remote = service ? throughService(service, pod, remoteText) : inPod(pod, remoteText);
  const named = service ? remote.service : remote.target;
  const local = localText === remoteText ? named : localText === '' ? 0 : Number(localText);
  if (!Number.isInteger(local) || local < 0 || local > 65_535)
    throw new KubectlError(
      `error parsing local port '${localText}': strconv.ParseUint: parsing ${JSON.stringify(localText)}: ${/^\d+$/.test(localText) ? 'value out of range' : 'invalid syntax'}`,
    );
  if (!remote.target) throw new KubectlError('remote port must be > 0');
  return { local, remote: remote.target };
}

function inPod(pod: AnyObject, text: string): { service: number; target: number } {
  const declared = containerPorts(pod);
  const isNumber = /^\d+$/.test(text);
  const named = declared.find((p) => p.name === text);
  if (!isNumber && !named)
    throw new KubectlError(`Pod '${pod.metadata.name}' does not have a named port '${text}'`);
  const target = isNumber ? Number(text) : named!.containerPort!;
  refuseUdp(
    declared.filter((p) => p.containerPort === target),
    text,
  );
  return { service: target, target };
}

function throughService(
  service: AnyObject,
  pod: AnyObject,
  text: string,
): { service: number; target: number } {
  const ports: Port[] = service.spec.ports ?? [];
  const isNumber = /^\d+$/.test(text);
  const port = ports.find((p) => (isNumber ? p.port === Number(text) : p.name === text));
  if (!port)
    throw new KubectlError(
      isNumber
        ? `Service ${service.metadata.name} does not have a service port ${text}`
        : `Service '${service.metadata.name}' does not have a named port '${text}'`,
    );
  refuseUdp(
    ports.filter((p) => p.port === port.port),
    text,
  );
  const { targetPort } = port;
  // A headless service forwards nothing: its ports are the pod's.
  if (service.spec.clusterIP === 'None') return { service: port.port!, target: port.port! };
  if (typeof targetPort !== 'string') return { service: port.port!, target: targetPort || port.port! };
  const found = containerPorts(pod).find((p) => p.name === targetPort);
  if (!found) throw new KubectlError(`Pod '${pod.metadata.name}' does not have a named port '${targetPort}'`);
  return { service: port.port!, target: found.containerPort! };
}

function refuseUdp(ports: Port[], text: string): void {
  if (ports.length && ports.every(({ protocol }) => protocol === 'UDP'))
    throw new KubectlError(`UDP protocol is not supported for ${text}`);
}
