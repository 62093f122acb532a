// What is wrong with an answer. Whatever is sent, the server answers with an object or with a Status, and a Status speaks of the
// request, not of the server's own code.
import type { Answer } from './wire.ts';

const innards =
  /TypeError|ReferenceError|RangeError|URIError|is not (a function|iterable|defined|a constructor)|Cannot (read|set|convert|destructure|access|mix)|Maximum call stack|Invalid (array|string) length|reading '|\.ts:\d+|out of memory|Unexpected token|\bundefined\b(?! field)|\[object /;

/** 500 as upstream's: what is applied does not fit the type, or what is stored cannot be read. */
const known500 =
  /^failed to create typed patch object|^failed to decode managed fields|^This pod has more than one PodDisruptionBudget/;

export interface Expect {
  /** The answer comes from HTTP itself, before there is a request. */
  bare?: boolean;
  /** What is asked for is not JSON. */
  text?: boolean;
  /** A closed connection is an answer, too. */
  mayClose?: boolean;
  limitMs?: number;
}

export function judge(
  answer: Answer,
  { bare, text, mayClose, limitMs = 10_000 }: Expect = {},
): string | undefined {
  if (answer.failure) {
    if (answer.failure.startsWith('unsendable')) return undefined;
    return mayClose && answer.failure !== 'no answer in time' ? undefined : `no answer: ${answer.failure}`;
  }
  if (answer.tookMs > limitMs) return `took ${Math.round(answer.tookMs)} ms`;
  if (answer.code < 200 || answer.code > 599) return `code ${answer.code}`;
  if (answer.code < 400 || bare)
    return answer.code >= 500 && answer.code !== 505 && answer.code !== 501
      ? `code ${answer.code}`
      : undefined;
  if (text && !answer.type.includes('json'))
    return answer.code === 500 ? `500: ${answer.text.slice(0, 300)}` : undefined;
  let status: any;
  try {
    status = JSON.parse(answer.text);
  } catch {
    return `${answer.code} without a Status: ${answer.type} ${answer.text.slice(0, 300)}`;
  }
  const { kind, apiVersion, status: outcome, message = '', code } = status;
  if (kind !== 'Status' || apiVersion !== 'v1' || outcome !== 'Failure' || code !== answer.code)
    return `${answer.code} with no proper Status: ${answer.text.slice(0, 300)}`;
  if (typeof message !== 'string') return `a message that is no text: ${answer.text.slice(0, 300)}`;
  if (code === 500 && !known500.test(message)) return `500: ${message.slice(0, 500)}`;
  if (innards.test(withoutQuotes(message))) return `innards: ${code} ...${around(message)}`;
  return undefined;
}

const around = (message: string): string => {
  const at = withoutQuotes(message).search(innards);
  return withoutQuotes(message).slice(Math.max(0, at - 200), at + 200);
};

/** What the client said itself may be in the message, in quotes. */
const withoutQuotes = (message: string): string =>
  message.replace(/\\"/g, '').replace(/"[^"]*"|`[^`]*`|'[^']*'/g, '');
