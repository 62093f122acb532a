import assert from 'node:assert/strict';
import { isStatusError, type StatusError } from '../machinery/status.ts';

/** Demands that something fails with this code, and, where given, with a message like this; returns the failure. */
export async function refused(
  attempt: Promise<unknown> | (() => unknown),
  code: number,
  message?: RegExp | string,
): Promise<StatusError> {
  let answer: unknown;
  try {
    answer = await (typeof attempt === 'function' ? attempt() : attempt);
  } catch (error) {
    if (!isStatusError(error)) throw error;
    assert.equal(error.code, code, error.message);
    if (typeof message === 'string')
      assert.ok(error.message.includes(message), `${error.message} has no ${message}`);
    else if (message) assert.match(error.message, message);
    return error;
  }
  assert.fail(`expected ${code}, but it went through: ${JSON.stringify(answer)?.slice(0, 300)}`);
}
