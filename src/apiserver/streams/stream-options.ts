// Queries of exec, attach, portforward and log. Source: PodExecOptions, PodAttachOptions, PodPortForwardOptions, PodLogOptions.
import { badRequest, type FieldError, field, invalid } from '../../machinery/status.ts';
import type { LogOptions, StreamOptions } from './kubelet-connection.ts';

function truth(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && !['0', 'false', 'False', 'FALSE', 'f', 'F'].includes(value);
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^[-+]?\d+$/.test(value)) {
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(value)}: must be an integer`);
  }
  return Number(value);
}

/** Throws 400 when nothing is to be connected. */
export function streamOptionsOf(query: URLSearchParams): StreamOptions {
  const tty = truth(query, 'tty');
  const [stdin, stdout] = [truth(query, 'stdin'), truth(query, 'stdout')];
  // A terminal has one output.
  const stderr = truth(query, 'stderr') && !tty;
  if (!stdin && !stdout && !stderr) throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  return { stdin, stdout, stderr, tty };
}

/** Throws 400 when there is none. */
export function commandOf(query: URLSearchParams): string[] {
  const command = query.getAll('command');
  if (!command.length) throw badRequest('you must specify at least one command for the container');
  return command;
}

/** Throws 400 for what is no port. */
export const portsOf = (query: URLSearchParams): number[] =>
  query
    .getAll('ports')
    .flatMap((value) => value.split(','))
    .map((value) => {
      const port = Number(value);
      if (!Number.isInteger(port) || port < 1 || port > 65535)
        throw badRequest(`unable to parse ${JSON.stringify(value)} as a port: must be between 1 and 65535`);
      return port;
    });

const streams = ['All', 'Stdout', 'Stderr'];

/** Throws 400 for what cannot be read, 422 for what makes no sense. */
export function logOptionsOf(query: URLSearchParams, pod: string): LogOptions {
  const [tailLines, sinceSeconds, limitBytes] = ['tailLines', 'sinceSeconds', 'limitBytes'].map((name) =>
    whole(query, name),
  );
  const sinceTime = query.get('sinceTime') || undefined;
  const stream = query.get('stream') || 'All';
  if (sinceTime && Number.isNaN(Date.parse(sinceTime)))
    throw badRequest(`sinceTime: Invalid value: ${JSON.stringify(sinceTime)}: must be a time as of RFC 3339`);
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0)
    errors.push(field('tailLines').invalid(tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(field('limitBytes').invalid(limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime)
    errors.push(field('').forbidden('at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    errors.push(field('sinceSeconds').invalid(sinceSeconds, 'must be greater than 0'));
  if (!streams.includes(stream)) errors.push(field('stream').notSupported(stream, streams));
  if (stream !== 'All' && tailLines !== undefined)
    errors.push(field('').forbidden('`tailLines` and specific `stream` are mutually exclusive for now'));
  if (errors.length) throw invalid({ group: '', kind: 'PodLogOptions' }, pod, errors);
  return {
    follow: truth(query, 'follow'),
    previous: truth(query, 'previous'),
    timestamps: truth(query, 'timestamps'),
    stream: stream as LogOptions['stream'],
    ...{ tailLines, sinceSeconds, sinceTime, limitBytes },
  };
}
