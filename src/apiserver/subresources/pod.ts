import type { Pod } from '../../api/core/v1.gen.ts';
import { podDisruptionBudgets } from '../../api/policy/pod-disruption-budget.ts';
import type { PodDisruptionBudget } from '../../api/policy/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import {
  badRequest,
  conflict,
  field,
  invalid,
  StatusError,
  tooManyRequests,
} from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import { deleteOne } from '../registry/delete.ts';
import { getStored } from '../registry/read.ts';
import { cacheOf, type Registry } from '../registry/registry.ts';
import { update } from '../registry/write.ts';
import { admitBody } from './admit-body.ts';
import type { SubresourceHandler } from './index.ts';
import { patchedDraft } from './patched.ts';

const success = (code: number): { type: 'object'; object: AnyObject } => ({
  type: 'object',
  object: {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {} as AnyObject['metadata'],
    status: 'Success',
    code,
  },
});

const bindingType = { group: '', version: 'v1', kind: 'Binding' };
const evictionType = { group: 'policy', version: 'v1', kind: 'Eviction' };

/** Assigns a pod to a node, once. */
export const bindPod: SubresourceHandler = async (registry, context, given) => {
  const body = await admitBody(registry, context, bindingType, given);
  const name = context.name ?? body.metadata?.name;
  const node = body.target?.name;
  if (!node) throw badRequest('target.name is required');
  if (body.target.kind && body.target.kind !== 'Node')
    throw badRequest(
      `target.kind: Unsupported value: ${JSON.stringify(body.target.kind)}: supported values: "Node"`,
    );
  const pods = registry.scheme.resource('', 'v1', 'pods')!;
  const binding: Context = { ...context, plural: 'pods', name, subresource: 'binding', served: pods };
  const uid = body.metadata?.uid;
  await update(
    registry,
    binding,
    (current) => {
      const pod = clone(current) as Pod;
      const refuse = (why: string) => conflict({ group: '', plural: 'pods/binding' }, name, why);
      if (uid && pod.metadata.uid !== uid)
        throw refuse(
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`,
        );
      if (pod.metadata.deletionTimestamp)
        throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
      if (pod.spec.nodeName) throw refuse(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
      if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
      pod.spec.nodeName = node;
      if (body.metadata?.annotations)
        pod.metadata.annotations = { ...pod.metadata.annotations, ...body.metadata.annotations };
      const now = time(context.nowMs);
      const rest = (pod.status?.conditions ?? []).filter((c) => c.type !== 'PodScheduled');
      const observed = pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {};
      pod.status = {
        ...pod.status,
        conditions: [...rest, { type: 'PodScheduled', status: 'True', lastTransitionTime: now, ...observed }],
      };
      return pod;
    },
    { admission: 'done' },
  );
  context.code = 201;
  return success(201);
};

/** A deletion that asks the disruption budgets first. Source: "API-initiated Eviction". */
export const evictPod: SubresourceHandler = async (registry, context, given) => {
  const body = await admitBody(registry, context, evictionType, given);
  const pods = { ...context, subresource: undefined };
  const { object } = getStored(cacheOf(registry, context), pods);
  const pod = object as Pod;
  const { gracePeriodSeconds, preconditions, propagationPolicy, dryRun } = body.deleteOptions ?? {};
  const options = { ...context.options, ...(dryRun?.includes('All') ? { dryRun: 'All' as const } : {}) };
  const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  if (!finished && pod.status?.phase !== 'Pending' && !pod.metadata.deletionTimestamp)
    await askBudget(registry, { ...context, options }, pod);
  const deletion = { ...options, gracePeriodSeconds, preconditions, propagationPolicy };
  await deleteOne(registry, { ...pods, verb: 'delete', options: deletion }, true);
  context.code = 201;
  return success(201);
};

async function askBudget(registry: Registry, context: Context, pod: Pod): Promise<void> {
  const cache = registry.caches.of(podDisruptionBudgets);
  const budgets = [...(cache?.range(`/registry/poddisruptionbudgets/${pod.metadata.namespace}/`) ?? [])]
    .map((entry) => entry.object as unknown as PodDisruptionBudget)
    .filter((budget) => labelSelectorMatches(budget.spec.selector, pod.metadata.labels));
  if (!budgets.length) return;
  if (budgets.length > 1)
    throw new StatusError(
      500,
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const name = budgets[0]!.metadata.name!;
  const served = registry.scheme.resource('policy', 'v1', 'poddisruptionbudgets')!;
  const of: Context = {
    ...context,
    group: 'policy',
    plural: 'poddisruptionbudgets',
    name,
    subresource: 'status',
    served,
  };
  await update(
    registry,
    of,
    (current) => {
      const budget = clone(current) as unknown as PodDisruptionBudget;
      const status = (budget.status ??= {} as NonNullable<PodDisruptionBudget['status']>);
      if ((status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) {
        throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 10);
      }
      if ((status.disruptionsAllowed ?? 0) <= 0) {
        const refused = tooManyRequests(
          "Cannot evict pod as it would violate the pod's disruption budget.",
          0,
        );
        refused.status.details = {
          causes: [
            {
              reason: 'DisruptionBudget',
              message: `The disruption budget ${name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
            },
          ],
        };
        throw refused;
      }
      status.disruptionsAllowed!--;
      status.disruptedPods = { ...status.disruptedPods, [pod.metadata.name!]: time(context.nowMs) };
      return budget as unknown as AnyObject;
    },
    { admission: 'done' },
  );
}

/** Adds ephemeral containers: nothing else of the pod may change this way. */
export const ephemeralContainers: SubresourceHandler = (registry, context, body) =>
  podPart(registry, context, body, (draft, given, current) => {
    const before = current.spec.ephemeralContainers ?? [];
    const after = given.spec?.ephemeralContainers ?? [];
    for (const c of before) {
      if (!after.some((a) => a.name === c.name))
        throw invalid({ group: '', kind: 'Pod' }, context.name!, [
          field('spec', 'ephemeralContainers').forbidden(
            `existing ephemeral containers ${JSON.stringify(c.name)} may not be removed\n`,
          ),
        ]);
    }
    draft.spec.ephemeralContainers = after;
  });

/** Changes the resources of containers in place. */
export const resizePod: SubresourceHandler = (registry, context, body) =>
  podPart(registry, context, body, (draft, given) => {
    for (const [list, wanted] of [
      [draft.spec.containers, given.spec?.containers ?? []],
      [draft.spec.initContainers ?? [], given.spec?.initContainers ?? []],
    ] as const) {
      for (const container of list) {
        const next = wanted.find((c) => c.name === container.name);
        if (next) {
          container.resources = next.resources;
          container.resizePolicy = next.resizePolicy ?? container.resizePolicy;
        }
      }
    }
  });

async function podPart(
  registry: Registry,
  context: Context,
  body: any,
  change: (draft: Pod, given: Pod, current: Pod) => void,
): ReturnType<SubresourceHandler> {
  const part: Context = { ...context, subresource: context.subresource };
  if (context.verb === 'get') return { type: 'entry', entry: getStored(cacheOf(registry, context), context) };
  const entry = await update(registry, part, (current) => {
    const given = (context.verb === 'patch' ? patchedDraft(registry, context, current, body) : body) as Pod;
    const draft = clone(current) as Pod;
    change(draft, clone(given), current as Pod);
    draft.metadata.resourceVersion = context.verb === 'patch' ? undefined : given.metadata?.resourceVersion;
    return draft;
  });
  return { type: 'entry', entry };
}
