// `apply --prune`: what was applied before and is in the files no more is deleted.
import type { ApiResource } from '../../client/discovery.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Context } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { type DryRun, dryRunOption } from '../output.ts';
import * as resources from '../resources.ts';
import type { Info } from '../targets.ts';
import { lastAppliedAnnotation } from '../writing.ts';
import { propagationPolicy } from './delete.ts';

const defaultPruned: ApiResource[] = [
  resources.configMaps,
  resources.endpoints,
  resources.persistentVolumeClaims,
  resources.pods,
  resources.replicationControllers,
  resources.secrets,
  resources.services,
  resources.jobs,
  resources.cronJobs,
  resources.ingresses,
  resources.daemonSets,
  resources.deployments,
  resources.replicaSets,
  resources.statefulSets,
  resources.namespaces,
  resources.persistentVolumes,
];

export async function prune(
  context: Context,
  infos: Info[],
  applied: AnyObject[],
  dryRun: DryRun,
  say: (object: AnyObject, what: string) => void,
): Promise<void> {
  const kube = await context.kube();
  const kept = new Set(applied.map((object) => object.metadata.uid));
  const namespaces = new Set(infos.flatMap(({ namespace }) => (namespace ? [namespace] : [])));
  const list = await prunedResources(context);
  const pruneIn = async (resource: ApiResource, namespace: string | undefined) => {
    const labelSelector = context.flags.selector || undefined;
    const found = await kube.listAll(resource, namespace, { labelSelector, limit: 500 });
    for (const object of found.items) {
      if (!object.metadata.annotations?.[lastAppliedAnnotation] || kept.has(object.metadata.uid)) continue;
      if (dryRun !== 'client') {
        const place = { resource, namespace, name: object.metadata.name! };
        const grace: number = context.flags['grace-period'];
        await kube.delete(place, {
          ...dryRunOption(dryRun),
          propagationPolicy: propagationPolicy(context),
          ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}),
        });
      }
      const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
      say({ ...object, apiVersion, kind: resource.kind }, 'pruned');
    }
  };
  for (const namespace of namespaces)
    for (const resource of list.filter((r) => r.namespaced)) await pruneIn(resource, namespace);
  for (const resource of list.filter((r) => !r.namespaced)) await pruneIn(resource, undefined);
}

async function prunedResources(context: Context): Promise<ApiResource[]> {
  const allowed: string[] = context.flags['prune-allowlist'];
  if (!allowed.length) return defaultPruned;
  const kube = await context.kube();
  return Promise.all(
    allowed.map((text) => {
      const [group, version, kind, ...more] = text.split('/');
      if (!kind || more.length)
        throw new KubectlError(
          `invalid GroupVersionKind format: ${text}, please follow <group/version/kind>`,
        );
      return kube.kind(group === 'core' || group === '' ? version! : `${group}/${version}`, kind);
    }),
  );
}
