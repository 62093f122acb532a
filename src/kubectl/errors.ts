// What kubectl says when something fails.
import { ConnectionError } from '../client/http.ts';
import { KubeconfigError } from '../client/kubeconfig.ts';
import { isStatusError, type Status, type StatusError } from '../machinery/status.ts';

/** A failure in kubectl's own words: printed as `error: …`. */
export class KubectlError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command was given wrongly: the message is followed by where help is. */
export class UsageError extends Error {}

/** Ends with this exit code, without a word more. */
export class Exit extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** A failure whose text is printed as it is. */
export class PlainError extends Error {}

/** Several failures, a line each. */
export class Several extends Error {
  readonly errors: unknown[];
  constructor(errors: unknown[]) {
    super(errors.map((error) => (error as Error).message).join(', '));
    this.errors = errors;
  }
}

/** Throws what was gathered, if anything was. */
export function throwAll(errors: unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length) throw new Several(errors);
}

/** Messages of several failures in one line. */
export function aggregateText(errors: unknown[]): string {
  const messages = [...new Set(errors.map((error) => (error as Error).message))];
  return messages.length > 1 ? `[${messages.join(', ')}]` : (messages[0] ?? '');
}

/** Says which file an object came from, in the message of the server's error about it. */
export function withSource(error: unknown, doing: string, source: string | undefined): unknown {
  if (!isStatusError(error) || error instanceof ConnectionError || !source) return error;
  const message = `error when ${doing} "${source}": ${error.status.message}`;
  error.status.message = message;
  error.message = message;
  return error;
}

/** An error as it is printed, and the exit code. `path` is the command's, for the hint of a usage error. */
export function describeError(error: unknown, path: string): { text: string; exitCode: number } {
  if (error instanceof Exit) return { text: '', exitCode: error.exitCode };
  if (error instanceof Several) {
    // In company, a failure does without the word `error`.
    const text = error.errors
      .map((one) => {
        const invalid = isStatusError(one) && one.reason === 'Invalid';
        const said = invalid ? `Error from server (Invalid): ${one.message}` : describeOne(one, path);
        return `${said.replace(/^error: /, '')}\n`;
      })
      .join('');
    return { text, exitCode: 1 };
  }
  const exitCode = error instanceof KubectlError ? error.exitCode : 1;
  const text = describeOne(error, path);
  return { text: text.endsWith('\n') ? text : `${text}\n`, exitCode };
}

function describeOne(error: unknown, path: string): string {
  if (error instanceof ConnectionError) return connectionText(error);
  if (error instanceof UsageError) return `error: ${error.message}\nSee '${path} -h' for help and examples`;
  if (error instanceof KubeconfigError) {
    const configuration = error.message.startsWith('context was not found');
    return configuration ? `Error in configuration: ${error.message}` : `error: ${error.message}`;
  }
  if (error instanceof PlainError) return error.message;
  if (isStatusError(error)) return statusText(error);
  const message = error instanceof Error ? error.message : String(error);
  return message.startsWith('error: ') ? message : `error: ${message}`;
}

function connectionText({ server, errno, message }: ConnectionError): string {
  const host = server.replace(/^https?:\/\//, '').replace(/\/$/, '');
  if (errno === 'ECONNREFUSED')
    return `The connection to the server ${host} was refused - did you specify the right host or port?`;
  if (errno === 'ENOTFOUND' || errno === 'EAI_AGAIN')
    return `Unable to connect to the server: dial tcp: lookup ${host.replace(/:\d+$/, '')}: no such host`;
  if (errno === 'ETIMEDOUT')
    return `Unable to connect to the server: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`;
  if (
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT'].includes(
      errno ?? '',
    )
  )
    return 'Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority';
  return `Unable to connect to the server: ${message}`;
}

function statusText(error: StatusError): string {
  const { status } = error;
  if (status.reason === 'Invalid') return invalidText(status);
  if (status.reason === 'Unauthorized')
    return `error: You must be logged in to the server (${status.message ?? ''})`;
  if (status.reason) return `Error from server (${status.reason}): ${error.message}`;
  return `Error from server: ${error.message}`;
}

/** Field errors, one as it is and several in a list. */
function invalidText({ details, message }: Status): string {
  const start = 'The request is invalid';
  if (!details) return message ? `${start}: ${message}` : start;
  const causes = [...new Set((details.causes ?? []).map((c) => `${c.field ?? ''}: ${c.message ?? ''}`))];
  const subject =
    details.kind || details.name
      ? `The ${details.kind ?? ''} ${JSON.stringify(details.name ?? '')} is invalid`
      : message && !causes.length
        ? `${start}: ${message}`
        : start;
  if (!causes.length) return subject;
  if (causes.length === 1) return `${subject}: ${causes[0]}`;
  return `${subject}: \n${causes.map((cause) => `* ${cause}\n`).join('')}`;
}
