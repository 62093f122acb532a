// From client-side to server-side apply: the fields that the former owned go to the latter, so that leaving one out of the
// file removes it. https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply
import type { AnyObject } from '../../machinery/meta.ts';
import { isConflict } from '../../machinery/status.ts';
import type { Kube } from '../kube.ts';
import type { Info } from '../targets.ts';
import { lastAppliedAnnotation } from '../writing.ts';

const annotationManager = 'kubectl-last-applied';
const maxRetries = 5;

interface ManagedFields {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: any;
  subresource?: string;
}

const ownsAnnotation = (entry: ManagedFields): boolean =>
  entry.fieldsV1?.['f:metadata']?.['f:annotations']?.[`f:${lastAppliedAnnotation}`] !== undefined;

/** Moves the ownership where there is something to move; true when it did, and the object should be applied again. */
export async function migrate(
  kube: Kube,
  info: Info,
  found: AnyObject,
  { manager, keepAnnotation }: { manager: string; keepAnnotation: boolean },
): Promise<boolean> {
  let object = found;
  const annotation = object.metadata.annotations?.[lastAppliedAnnotation];
  const entries = (): ManagedFields[] => (object.metadata.managedFields ?? []) as ManagedFields[];
  if (
    keepAnnotation &&
    annotation !== undefined &&
    !entries().some((e) => e.operation === 'Apply' && ownsAnnotation(e))
  ) {
    // The annotation gets an owner of its own, or the apply that follows would drop it.
    const { apiVersion, kind } = info.object;
    const metadata = {
      name: object.metadata.name,
      namespace: object.metadata.namespace,
      annotations: { [lastAppliedAnnotation]: annotation },
    };
    object = await kube.patch(
      info,
      'apply',
      { apiVersion, kind, metadata },
      { fieldManager: annotationManager },
    );
  }
  for (let attempt = 0; ; attempt++) {
    const clients = entries().filter((e) => e.operation === 'Update' && !e.subresource && ownsAnnotation(e));
    if (!clients.length) return false;
    const merged = mergedEntries(entries(), clients, manager);
    const patch = [
      { op: 'replace', path: '/metadata/managedFields', value: merged },
      { op: 'replace', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
    ];
    try {
      await kube.patch(info, 'json', patch);
      return true;
    } catch (error) {
      if (!isConflict(error) || attempt >= maxRetries) throw error;
      object = await kube.get(info);
    }
  }
}

/** The server-side entry with the fields of the client-side ones, the annotation among them: applying again drops it. */
function mergedEntries(all: ManagedFields[], clients: ManagedFields[], manager: string): ManagedFields[] {
  const rest = all.filter((entry) => !clients.includes(entry));
  const own = rest.find((e) => e.manager === manager && e.operation === 'Apply' && !e.subresource);
  const fields = [own, ...clients].reduce((sum, entry) => union(sum, entry?.fieldsV1 ?? {}), {} as any);
  const entry = { ...(own ?? { ...clients[0], manager, operation: 'Apply' }), fieldsV1: fields };
  return own ? rest.map((e) => (e === own ? entry : e)) : [...rest, entry];
}

function union(a: any, b: any): any {
  const sum = { ...a };
  for (const key of Object.keys(b)) sum[key] = Object.hasOwn(sum, key) ? union(sum[key], b[key]) : b[key];
  return sum;
}
