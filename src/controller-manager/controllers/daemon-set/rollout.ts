import type { DaemonSet } from '../../../api/apps/v1.gen.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { intOrPercent } from '../int-or-percent.ts';
import { isAvailable, isTerminal } from '../pod-state.ts';

/** The daemons of one node that should run there. */
export interface NodeDaemons {
  node: string;
  pods: Pod[];
}

export interface Steps {
  /** Nodes that get one more daemon, of the new template. */
  create: string[];
  remove: Pod[];
}

interface Context {
  ds: DaemonSet;
  isNew: (pod: Pod) => boolean;
  nowMs: number;
}

/** The oldest of those that are not on their way out, by template. */
function currentOf(pods: Pod[], isNew: (pod: Pod) => boolean): { fresh?: Pod; old?: Pod } {
  const living = pods.filter((p) => !p.metadata.deletionTimestamp && !isTerminal(p));
  return { fresh: living.find(isNew), old: living.find((p) => !isNew(p)) };
}

/**
 * Replaces daemons of an older template, as many at once as may be missing (maxUnavailable) or may be doubled (maxSurge).
 * Those that do not work anyway are replaced at once.
 */
export function rollingSteps(nodes: NodeDaemons[], context: Context): Steps {
  const { ds } = context;
  const strategy = ds.spec.updateStrategy?.rollingUpdate;
  const maxSurge = intOrPercent(strategy?.maxSurge, nodes.length, 'up');
  let maxUnavailable = intOrPercent(strategy?.maxUnavailable ?? 1, nodes.length, 'up');
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  return maxSurge > 0
    ? surge(nodes, maxSurge, maxUnavailable, context)
    : replace(nodes, maxUnavailable, context);
}

function replace(nodes: NodeDaemons[], maxUnavailable: number, { ds, isNew, nowMs }: Context): Steps {
  const works = (pod: Pod) => isAvailable(pod, ds.spec.minReadySeconds, nowMs);
  let missing = 0;
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  for (const { pods } of nodes) {
    const { fresh, old } = currentOf(pods, isNew);
    const available = fresh ? works(fresh) : !!old && works(old);
    if (!available) missing++;
    if (fresh || !old) continue;
    (available ? candidates : broken).push(old);
  }
  return { create: [], remove: [...broken, ...candidates.slice(0, Math.max(0, maxUnavailable - missing))] };
}

function surge(
  nodes: NodeDaemons[],
  maxSurge: number,
  maxUnavailable: number,
  { ds, isNew, nowMs }: Context,
): Steps {
  const works = (pod: Pod) => isAvailable(pod, ds.spec.minReadySeconds, nowMs);
  const create: string[] = [];
  const remove: Pod[] = [];
  const candidates: string[] = [];
  let surging = 0;
  let missing = 0;
  const brokenBoth: Pod[] = [];
  for (const { node, pods } of nodes) {
    const { fresh, old } = currentOf(pods, isNew);
    if (!old) continue;
    if (fresh && works(fresh)) {
      remove.push(old);
    } else if (!works(old)) {
      missing++;
      if (fresh) brokenBoth.push(old);
      else create.push(node);
    } else if (fresh) surging++;
    else candidates.push(node);
  }
  remove.push(...brokenBoth.slice(0, Math.max(0, maxUnavailable - missing + brokenBoth.length)));
  create.push(...candidates.slice(0, Math.max(0, maxSurge - surging - create.length)));
  return { create, remove };
}
