import { namespaces } from '../../../api/core/namespace.ts';
import type { Namespace } from '../../../api/core/v1.gen.ts';
import { type Action, requeueAfter, setStatus, task, update } from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';
import { statusOf } from './conditions.ts';
import { clear, isClear } from './contents.ts';

const finalizer = 'kubernetes';

/** Empties a namespace that is being deleted: pods first, then everything else; then lets it go. */
export const namespaceController = controller<Namespace, undefined>({
  name: 'namespace',
  for: namespaces,
  observe: () => undefined,
  reconcile(namespace, _, nowMs, { client, config }) {
    const { deletionTimestamp } = namespace.metadata;
    if (!deletionTimestamp || !namespace.spec?.finalizers?.includes(finalizer)) return [];
    return [
      task(async () => {
        const contents = await clear(client, namespace.metadata.name!, config.discover);
        const status = statusOf(namespace, contents, nowMs);
        const actions: Action[] = [setStatus(namespaces, namespace, status)];
        if (isClear(contents)) {
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
