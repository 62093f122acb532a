import type { Context } from '../context.ts';
import type { Caches } from './caches.ts';

const reads = new Set(['get', 'list', 'watch']);

/**
 * Waits until caches are as new as a request may expect, which takes something only where several servers share a store:
 * what was acknowledged by any of them before the request came is seen by it, unless it says that an older state will do.
 * Writes begin from what is there, too. Undefined: there is nothing to wait for. Source: "Resource versions" in the API
 * concepts.
 */
export function freshFor(
  caches: Caches,
  { verb, options }: Pick<Context, 'verb' | 'options'>,
): Promise<void> | undefined {
  if (!caches.shared) return undefined;
  const { resourceVersion, continue: token } = options;
  // Any state, or one that is here already. What is no number is refused later.
  const given = reads.has(verb) && resourceVersion && !token && !(Number(resourceVersion) > caches.revision);
  return given ? caches.reloading : caches.catchUp();
}
