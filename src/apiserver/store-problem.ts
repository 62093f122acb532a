import { isStatusError, StatusError, timedOut } from '../machinery/status.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../machinery/store.ts';

/**
 * What a client is told when the store does not do what it should: 503, to be tried again, when nothing was done; 504 when
 * nobody knows whether it was, and the client must look.
 */
export function storeProblem(error: unknown): StatusError {
  if (isStatusError(error)) return error;
  const { message } = error as Error;
  if (error instanceof OutcomeUnknownError)
    return timedOut(
      `request did not complete within the allotted time; whether it was made is not known (${message})`,
    );
  if (error instanceof StoreUnavailableError)
    return new StatusError(
      503,
      'ServiceUnavailable',
      `the store is not available (${message}); nothing was changed`,
      {
        retryAfterSeconds: 1,
      },
    );
  return new StatusError(
    503,
    'ServiceUnavailable',
    `the store cannot write (${message}); nothing was changed`,
  );
}
