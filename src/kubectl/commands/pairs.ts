// `key=value` and `key-` arguments, as label, annotate, taint and set env take them.
import { KubectlError } from '../errors.ts';

export interface Pairs {
  /** What came before the first pair. */
  resources: string[];
  set: Map<string, string>;
  remove: string[];
}

const isPair = (text: string): boolean => text.includes('=') || (text.endsWith('-') && text !== '-');

/** Splits arguments into resources and pairs. `what` is the word for a pair in messages: `label`. */
export function splitPairs(args: string[], what: string): { resources: string[]; pairs: string[] } {
  const first = args.findIndex(isPair);
  if (first < 0) return { resources: args, pairs: [] };
  const resources = args.slice(0, first);
  const pairs = args.slice(first);
  const stray = pairs.find((arg) => !isPair(arg));
  if (stray !== undefined)
    throw new KubectlError(`all resources must be specified before ${what} changes: ${stray}`);
  return { resources, pairs };
}

/** Reads pairs. `check` says what is wrong with a value. */
export function parsePairs(
  args: string[],
  what: string,
  check: (pair: string, key: string, value: string) => string | undefined = () => undefined,
): Pairs {
  const { resources, pairs } = splitPairs(args, what);
  const set = new Map<string, string>();
  const remove: string[] = [];
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals >= 0) {
      const [key, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
      const problem = check(pair, key, value);
      if (problem) throw new KubectlError(problem);
      set.set(key, value);
    } else remove.push(pair.slice(0, -1));
  }
  return { resources, set, remove };
}
