import { type Callee, type Outbound, OutboundError, readBody } from './outbound.ts';

/** Answers larger than this are refused: a list of objects may be converted in one. */
const maxAnswerBytes = 128 << 20;

/** There is no answer, or one that says that it failed. `code` is what to tell the client of it. */
export class ReviewError extends Error {
  readonly code: number;
  /** The one who asked gave up. */
  readonly canceled: boolean;
  constructor(message: string, code: number, canceled = false) {
    super(message);
    this.code = code;
    this.canceled = canceled;
  }
}

/**
 * Sends a review (an AdmissionReview, a ConversionReview) as JSON, and reads the one that answers. `timeoutSeconds` is told to
 * the other side, `limitSeconds` is not. Rejects with ReviewError.
 */
export async function postReview(
  outbound: Outbound,
  callee: Callee,
  review: object,
  { timeoutSeconds, limitSeconds }: { timeoutSeconds?: number; limitSeconds?: number } = {},
): Promise<any> {
  const limit = timeoutSeconds ?? limitSeconds;
  const body = new TextEncoder().encode(JSON.stringify(review));
  try {
    const response = await outbound.send(callee, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, */*',
        'content-length': String(body.length),
        'user-agent': 'kube-apiserver-admission',
      },
      body,
      repeatable: true,
      ...(timeoutSeconds === undefined ? {} : { query: `timeout=${timeoutSeconds}s` }),
      ...(limit === undefined ? {} : { timeoutMs: limit * 1000 }),
    });
    const text = new TextDecoder().decode(await readBody(response, maxAnswerBytes));
    if (response.code < 200 || response.code > 206) throw refused(response.code, text);
    return parsed(text);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw new ReviewError(error.message, 503, error.failure === 'canceled');
  }
}

function parsed(text: string): any {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw new ReviewError(
    `couldn't get version/kind; json parse error: ${JSON.stringify(text.slice(0, 200))}`,
    500,
  );
}

const refusals: Record<number, string> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};

/** An answer whose code says that it is none: in the words of the Status that it carries, if it does. */
function refused(code: number, text: string): ReviewError {
  try {
    const status = JSON.parse(text);
    if (status?.kind === 'Status' && status.message)
      return new ReviewError(status.message, status.code ?? code);
  } catch {
    // not a Status
  }
  const said = text.trim().slice(0, 2048);
  if (code === 403) return new ReviewError(said || 'forbidden', code);
  const why =
    refusals[code] ??
    (code >= 500
      ? `an error on the server (${JSON.stringify(said || 'unknown')}) has prevented the request from succeeding`
      : `the server responded with the status code ${code} but did not return more information`);
  return new ReviewError(why, code >= 400 ? code : 500);
}
