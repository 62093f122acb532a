import { fromStatus, type Status, StatusError } from '../../machinery/status.ts';

/** How a remote command ended: `code` is its exit code; the message says it in words when it is not 0. */
export interface ExitStatus {
  code: number;
  message: string;
}

/** Reads the Status of the error channel. Throws a StatusError where the command was not run to its end. */
export function exitStatusOf(text: string): ExitStatus {
  let status: Status;
  try {
    status = JSON.parse(text);
  } catch {
    throw new StatusError(500, 'InternalError', text.trim());
  }
  if (status.status === 'Success') return { code: 0, message: '' };
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  const code = Number(cause?.message);
  if (status.reason === 'NonZeroExitCode' && Number.isInteger(code))
    return { code, message: status.message ?? `command terminated with exit code ${code}` };
  throw fromStatus({ ...status, code: status.code || 500, reason: status.reason ?? 'InternalError' });
}
