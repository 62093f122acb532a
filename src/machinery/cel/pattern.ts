import { RE2JS } from 're2js';
import { CelError } from './values.ts';

const known = new Map<string, RE2JS>();

/** A regular expression of RE2, compiled once. Throws CelError. */
export function patternOf(text: string): RE2JS {
  let pattern = known.get(text);
  if (!pattern) {
    try {
      pattern = RE2JS.compile(text);
    } catch (error) {
      throw new CelError((error as Error).message);
    }
    if (known.size >= 1000) known.clear();
    known.set(text, pattern);
  }
  return pattern;
}
