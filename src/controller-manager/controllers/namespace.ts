import { namespaces } from '../../api/core/namespace.ts';
import { pods } from '../../api/core/pod.ts';
import type { Namespace, NamespaceCondition, NamespaceStatus } from '../../api/core/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { time } from '../../machinery/clock.ts';
import { type Kind, resourceName } from '../../machinery/kind.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import { isNotFound, isStatusError } from '../../machinery/status.ts';
import { type Action, requeueAfter, setStatus, task, update } from '../runtime/actions.ts';
import { controller } from '../runtime/controller.ts';

const finalizer = 'kubernetes';

/** What is still in a namespace. */
interface Contents {
  /** By resource: `pods`, `deployments.apps`. */
  remaining: Map<string, number>;
  finalizers: Map<string, number>;
  errors: string[];
}

/** Empties a namespace that is being deleted: pods first, then everything else; then lets it go. */
export const namespaceController = controller<Namespace, undefined>({
  name: 'namespace',
  for: namespaces,
  observe: () => undefined,
  reconcile(namespace, _, nowMs, { client, config }) {
    const { deletionTimestamp } = namespace.metadata;
    if (!deletionTimestamp || !namespace.spec?.finalizers?.includes(finalizer)) return [];
    const kinds = () =>
      [...config.kinds, ...(config.dynamicKinds?.() ?? [])].filter(
        (kind) => kind.namespaced && kind.verbs.includes('list') && kind.verbs.includes('delete'),
      );
    return [
      task(async () => {
        const contents = await clear(client, namespace.metadata.name!, kinds());
        const status = statusOf(namespace, contents, nowMs);
        const actions: Action[] = [setStatus(namespaces, namespace, status)];
        if (contents.remaining.size === 0 && contents.errors.length === 0) {
          const finalizers = namespace.spec!.finalizers!.filter((f) => f !== finalizer);
          // Done with the last finalizer, it is gone: nobody needs the status any more.
          return [
            {
              ...update(namespaces, { ...namespace, spec: { ...namespace.spec, finalizers } }),
              subresource: 'finalize',
            } as Action,
          ];
        }
        // What goes soon is looked for often; what takes its time, less and less often.
        const elapsed = nowMs - Date.parse(deletionTimestamp);
        return [...actions, requeueAfter(Math.min(5_000, Math.max(50, elapsed / 4)))];
      }),
    ];
  },
});

/** Deletes what is there, and says what is left. Other kinds are not touched while there are pods: they may need them. */
async function clear(client: Client, namespace: string, kinds: Kind<any>[]): Promise<Contents> {
  const contents: Contents = { remaining: new Map(), finalizers: new Map(), errors: [] };
  await clearKind(client, namespace, pods, contents);
  if (contents.remaining.size > 0) return contents;
  const others = kinds.filter((kind) => resourceName(kind) !== 'pods');
  await Promise.all(others.map((kind) => clearKind(client, namespace, kind, contents)));
  return contents;
}

async function clearKind(
  client: Client,
  namespace: string,
  kind: Kind<any>,
  contents: Contents,
): Promise<void> {
  try {
    const resource = client(kind);
    let { items } = await resource.list({ namespace });
    if (items.length === 0) return;
    if (items.some((o: KubeObject) => !o.metadata.deletionTimestamp)) {
      if (kind.verbs.includes('deletecollection')) {
        await resource.deleteCollection({ namespace, propagationPolicy: 'Background' });
      } else {
        for (const { metadata } of items as KubeObject[])
          await resource.delete(metadata.name!, { namespace });
      }
      ({ items } = await resource.list({ namespace }));
    }
    if (items.length > 0) contents.remaining.set(resourceName(kind), items.length);
    for (const object of items as KubeObject[])
      for (const f of object.metadata.finalizers ?? [])
        contents.finalizers.set(f, (contents.finalizers.get(f) ?? 0) + 1);
  } catch (error) {
    // A kind without objects of its own, or one that went away meanwhile.
    if (isNotFound(error) || (isStatusError(error) && error.code === 405)) return;
    contents.errors.push(`${resourceName(kind)}: ${error instanceof Error ? error.message : error}`);
  }
}

const listed = (counts: Map<string, number>, each: (name: string, n: number) => string): string =>
  [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => each(name, n))
    .join(', ');

function statusOf(namespace: Namespace, contents: Contents, nowMs: number): NamespaceStatus {
  const { remaining, finalizers, errors } = contents;
  const facts: [string, boolean, string, string, string, string][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      false,
      '',
      '',
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      '',
      '',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    [
      'NamespaceDeletionContentFailure',
      errors.length > 0,
      'ContentDeletionFailed',
      `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(', ')}`,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ],
    [
      'NamespaceContentRemaining',
      remaining.size > 0,
      'SomeResourcesRemain',
      `Some resources are remaining: ${listed(remaining, (name, n) => `${name.replace(/^([^.]+)$/, '$1.')} has ${n} resource instances`)}`,
      'ContentRemoved',
      'All content successfully removed',
    ],
    [
      'NamespaceFinalizersRemaining',
      finalizers.size > 0,
      'SomeFinalizersRemain',
      `Some content in the namespace has finalizers remaining: ${listed(finalizers, (f, n) => `${f} in ${n} resource instances`)}`,
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished',
    ],
  ];
  const before = namespace.status?.conditions ?? [];
  const conditions = facts.map(([type, bad, badReason, badMessage, reason, message]): NamespaceCondition => {
    const status = bad ? 'True' : 'False';
    const old = before.find((c) => c.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : time(nowMs);
    return {
      type,
      status,
      lastTransitionTime,
      reason: bad ? badReason : reason,
      message: bad ? badMessage : message,
    };
  });
  const others = before.filter((c) => !conditions.some((d) => d.type === c.type));
  return { ...namespace.status, phase: 'Terminating', conditions: [...others, ...conditions] };
}
