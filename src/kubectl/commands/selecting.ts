import type { AnyObject } from '../../machinery/meta.ts';
import { matchesLabels, parseLabelSelector } from '../../machinery/selectors.ts';

/** Whether a label query selects an object; an empty one selects all. Throws 400 for one that cannot be read. */
export const matchesSelector = (selector: string | undefined, object: AnyObject): boolean =>
  !selector || matchesLabels(parseLabelSelector(selector), object.metadata?.labels);
