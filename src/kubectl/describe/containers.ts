import { canonicalQuantity, integerValue, milliValue } from '../../machinery/quantity.ts';
import { type Description, dateText, sortedPairs } from './description.ts';

type Resolve = ((fieldPath: string) => string) | undefined;

/** The containers of a pod or (without statuses) of a template. `space` is the indentation of the title. */
export function describeContainers(
  d: Description,
  title: string,
  containers: any[],
  statuses: any[] | undefined,
  resolve: Resolve,
  space = '',
): void {
  d.raw(`${space}${title}:${containers.length ? '' : ' <none>'}\n`);
  for (const container of containers) {
    const status = statuses?.find((s) => s.name === container.name);
    d.line(1, `${space ? ' ' : ''}${container.name}:`);
    if (status) d.field('Container ID', status.containerID ?? '', 2);
    d.field('Image', container.image ?? '', 2);
    if (status) d.field('Image ID', status.imageID ?? '', 2);
    const ports = container.ports ?? [];
    d.field(ports.length > 1 ? 'Ports' : 'Port', portsText(ports, 'containerPort') || '<none>', 2);
    d.field(ports.length > 1 ? 'Host Ports' : 'Host Port', portsText(ports, 'hostPort') || '<none>', 2);
    const seccomp = container.securityContext?.seccompProfile;
    if (seccomp) {
      d.field('SeccompProfile', seccomp.type, 2);
      if (seccomp.type === 'Localhost') d.field('LocalhostProfile', seccomp.localhostProfile, 3);
    }
    words(d, 'Command', container.command);
    words(d, 'Args', container.args);
    if (status) describeState(d, status);
    describeResources(d, container.resources, 2);
    for (const [label, probe] of [
      ['Liveness', container.livenessProbe],
      ['Readiness', container.readinessProbe],
      ['Startup', container.startupProbe],
    ])
      if (probe) d.field(label, probeText(probe), 2);
    if (container.envFrom?.length) describeEnvFrom(d, container.envFrom);
    describeEnv(d, container, resolve);
    describeMounts(d, container);
  }
}

const portsText = (ports: any[], which: string): string =>
  ports
    .map((port) => `${port[which] ?? 0}/${port.protocol ?? ''}${port.name ? ` (${port.name})` : ''}`)
    .join(', ');

function words(d: Description, label: string, list: string[] | undefined): void {
  if (!list?.length) return;
  d.line(2, `${label}:`);
  for (const word of list) for (const line of word.split('\n')) d.line(3, line);
}

export function describeResources(d: Description, resources: any, level: number): void {
  for (const [label, amounts] of [
    ['Limits', resources?.limits],
    ['Requests', resources?.requests],
  ]) {
    const pairs = sortedPairs(amounts);
    if (pairs.length) d.line(level, `${label}:`);
    for (const [name, amount] of pairs) d.field(name, canonicalQuantity(amount), level + 1);
  }
}

function describeState(d: Description, status: any): void {
  stateLines(d, 'State', status.state ?? {});
  if (status.lastState?.terminated) stateLines(d, 'Last State', status.lastState);
  d.field('Ready', status.ready ? 'True' : 'False', 2);
  d.field('Restart Count', status.restartCount ?? 0, 2);
}

function stateLines(d: Description, label: string, { running, waiting, terminated }: any): void {
  if (running) {
    d.field(label, 'Running', 2);
    d.field('Started', dateText(running.startedAt), 3);
  } else if (terminated) {
    d.field(label, 'Terminated', 2);
    if (terminated.reason) d.field('Reason', terminated.reason, 3);
    if (terminated.message) d.field('Message', terminated.message, 3);
    d.field('Exit Code', terminated.exitCode ?? 0, 3);
    if (terminated.signal > 0) d.field('Signal', terminated.signal, 3);
    d.field('Started', dateText(terminated.startedAt), 3);
    d.field('Finished', dateText(terminated.finishedAt), 3);
  } else {
    d.field(label, 'Waiting', 2);
    if (waiting?.reason) d.field('Reason', waiting.reason, 3);
  }
}

/** `http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3`. */
export function probeText(probe: any): string {
  const attributes = `delay=${probe.initialDelaySeconds ?? 0}s timeout=${probe.timeoutSeconds ?? 0}s period=${probe.periodSeconds ?? 0}s #success=${probe.successThreshold ?? 0} #failure=${probe.failureThreshold ?? 0}`;
  if (probe.exec) return `exec [${(probe.exec.command ?? []).join(' ')}] ${attributes}`;
  if (probe.httpGet) {
    const { scheme = '', host = '', port = '', path = '' } = probe.httpGet;
    const address = host.includes(':') ? `[${host}]` : host;
    const slash = path && !path.startsWith('/') ? '/' : '';
    return `http-get ${scheme.toLowerCase()}://${address}:${port}${slash}${path} ${attributes}`;
  }
  if (probe.tcpSocket)
    return `tcp-socket ${probe.tcpSocket.host ?? ''}:${probe.tcpSocket.port} ${attributes}`;
  if (probe.grpc) return `grpc <pod>:${probe.grpc.port} ${probe.grpc.service ?? ''} ${attributes}`;
  return `unknown ${attributes}`;
}

function describeEnvFrom(d: Description, sources: any[]): void {
  d.line(2, 'Environment Variables from:');
  for (const { configMapRef, secretRef, prefix } of sources) {
    const ref = configMapRef ?? secretRef ?? {};
    const kind = configMapRef ? 'ConfigMap' : secretRef ? 'Secret' : '';
    const how = prefix ? ` with prefix '${prefix}'` : '';
    d.line(3, `${ref.name ?? ''}\t${kind}${how}\tOptional: ${ref.optional === true}`);
  }
}

function describeEnv(d: Description, container: any, resolve: Resolve): void {
  const env: any[] = container.env ?? [];
  d.line(2, `Environment:${env.length ? '' : '\t<none>'}`);
  for (const { name, value = '', valueFrom } of env) {
    if (!valueFrom) {
      value.split('\n').forEach((line: string, i: number) => {
        d.line(3, `${i ? '' : `${name}:`}\t${line}`);
      });
      continue;
    }
    const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
    if (fieldRef)
      d.field(
        name,
        `${resolve?.(fieldRef.fieldPath) ?? ''} (${fieldRef.apiVersion ?? ''}:${fieldRef.fieldPath})`,
        3,
      );
    else if (resourceFieldRef)
      d.field(name, `${resourceText(resourceFieldRef, container)} (${resourceFieldRef.resource})`, 3);
    else if (secretKeyRef)
      d.field(
        name,
        `<set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name ?? ''}'>\tOptional: ${secretKeyRef.optional === true}`,
        3,
      );
    else if (configMapKeyRef)
      d.field(
        name,
        `<set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name ?? ''}'>\tOptional: ${configMapKeyRef.optional === true}`,
        3,
      );
  }
}

/** What `limits.cpu` of a container comes to, in units of the divisor. */
function resourceText({ resource, divisor = '0' }: any, { resources }: any): string {
  const [which, name] = String(resource).split('.') as [string, string];
  const amount = resources?.[which]?.[name] ?? '0';
  const unit = integerValue(divisor) === 0 && milliValue(divisor) === 0 ? '1' : divisor;
  const value =
    name === 'cpu'
      ? Math.ceil(milliValue(amount) / milliValue(unit))
      : Math.ceil(integerValue(amount) / integerValue(unit));
  return value === 0 && which === 'limits' && (name === 'cpu' || name === 'memory')
    ? 'node allocatable'
    : String(value);
}

const byPath = (key: string) => (a: any, b: any) => (a[key] < b[key] ? -1 : 1);

function describeMounts(d: Description, { volumeMounts = [], volumeDevices = [] }: any): void {
  const none = volumeMounts.length ? '' : '\t<none>';
  d.line(2, `Mounts:${none}`);
  for (const { mountPath, name, readOnly, subPath } of volumeMounts.toSorted(byPath('mountPath'))) {
    const flags = `${readOnly ? 'ro' : 'rw'}${subPath ? `,path=${JSON.stringify(subPath)}` : ''}`;
    d.line(3, `${mountPath} from ${name} (${flags})`);
  }
  if (!volumeDevices.length) return;
  d.line(2, `Devices:${none}`);
  for (const { devicePath, name } of volumeDevices.toSorted(byPath('devicePath')))
    d.line(3, `${devicePath} from ${name}`);
}
