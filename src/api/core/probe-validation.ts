// Probes and lifecycle hooks: what a container can be asked to do.
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { notNegative, oneOf, portOrName, present, problems } from '../checks.ts';
import type { Container, Lifecycle, LifecycleHandler, Probe } from './v1.gen.ts';

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>;

const headerName = /^[-A-Za-z0-9]+$/;
const headerProblem =
  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

function handlerErrors(handler: Handler, grace: number | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  for (const kind of ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const) {
    if (!handler[kind]) continue;
    const at = path.child(kind);
    if (count++) errors.push(at.forbidden('may not specify more than 1 handler type'));
    else errors.push(...actionErrors(handler, kind, grace, at));
  }
  if (!count) errors.push(path.required('must specify a handler type'));
  return errors;
}

function actionErrors(
  handler: Handler,
  kind: keyof Handler,
  grace: number | undefined,
  at: FieldPath,
): FieldError[] {
  switch (kind) {
    case 'exec':
      return handler.exec!.command?.length ? [] : [at.child('command').required()];
    case 'httpGet': {
      const { path, port, scheme, httpHeaders } = handler.httpGet!;
      const errors = [
        ...present(path, at.child('path')),
        ...portOrName(port, at.child('port')),
        ...oneOf(scheme, ['HTTP', 'HTTPS'], at.child('scheme')),
      ];
      for (const { name } of httpHeaders ?? [])
        if (!headerName.test(name)) errors.push(at.child('httpHeaders').invalid(name, headerProblem));
      return errors;
    }
    case 'tcpSocket':
      return portOrName(handler.tcpSocket!.port, at.child('port'));
    case 'grpc':
      return portOrName(handler.grpc!.port, at.child('port'));
    default: {
      const { seconds } = handler.sleep!;
      const most = grace ?? 0;
      return seconds < 0 || seconds > most
        ? [at.invalid(seconds, `must be non-negative and less than terminationGracePeriodSeconds (${most})`)]
        : [];
    }
  }
}

function probeErrors(probe: Probe | undefined, grace: number | undefined, path: FieldPath): FieldError[] {
  if (!probe) return [];
  const errors = handlerErrors(probe, grace, path);
  for (const name of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const)
    errors.push(...notNegative(probe[name], path.child(name)));
  const own = probe.terminationGracePeriodSeconds;
  if (own !== undefined && own <= 0)
    errors.push(path.child('terminationGracePeriodSeconds').invalid(own, 'must be greater than 0'));
  return errors;
}

const mustBeOne = (probe: Probe | undefined, path: FieldPath): FieldError[] =>
  probe && probe.successThreshold !== 1
    ? [path.child('successThreshold').invalid(probe.successThreshold, 'must be 1')]
    : [];

/** The probes and hooks of a container. `grace` is the pod's termination grace period in seconds. */
export function containerHookErrors(
  container: Container,
  grace: number | undefined,
  path: FieldPath,
): FieldError[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const errors = lifecycle ? lifecycleErrors(lifecycle, grace, path.child('lifecycle')) : [];
  if (livenessProbe) {
    const at = path.child('livenessProbe');
    errors.push(...probeErrors(livenessProbe, grace, at), ...mustBeOne(livenessProbe, at));
  }
  if (readinessProbe) {
    const at = path.child('readinessProbe');
    errors.push(...probeErrors(readinessProbe, grace, at));
    if (readinessProbe.terminationGracePeriodSeconds !== undefined)
      errors.push(
        ...problems(
          ['must not be set for readinessProbes'],
          readinessProbe.terminationGracePeriodSeconds,
          at.child('terminationGracePeriodSeconds'),
        ),
      );
  }
  if (startupProbe) {
    const at = path.child('startupProbe');
    errors.push(...probeErrors(startupProbe, grace, at), ...mustBeOne(startupProbe, at));
  }
  return errors;
}

function lifecycleErrors(
  { postStart, preStop }: Lifecycle,
  grace: number | undefined,
  path: FieldPath,
): FieldError[] {
  return [
    ...(postStart ? handlerErrors(postStart, grace, path.child('postStart')) : []),
    ...(preStop ? handlerErrors(preStop, grace, path.child('preStop')) : []),
  ];
}
