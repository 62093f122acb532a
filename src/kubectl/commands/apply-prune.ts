// `apply --prune`: what was applied before and is in the files no more is deleted.
import type { ApiResource } from '../../client/discovery.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Context } from '../command.ts';
import { KubectlError } from '../errors.ts';
import type { Place } from '../kube.ts';
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

/** What apply made in the namespaces of these objects, and what is there of the cluster, without those that are kept. */
export async function* prunable(
  context: Context,
  infos: Info[],
  kept: ReadonlySet<string | undefined>,
): AsyncGenerator<Place & { object: AnyObject }> {
  const kube = await context.kube();
  const namespaces = new Set(infos.flatMap(({ namespace }) => (namespace ? [namespace] : [])));
  const list = await prunedResources(context);
  const places = [
    ...[...namespaces].flatMap((namespace) =>
      list.filter((r) => r.namespaced).map((resource) => ({ resource, namespace })),
    ),
    ...list.filter((r) => !r.namespaced).map((resource) => ({ resource, namespace: undefined })),
  ];
  for (const { resource, namespace } of places) {
    const labelSelector = context.flags.selector || undefined;
    const found = await kube.listAll(resource, namespace, { labelSelector, limit: 500 });
    const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
    for (const object of found.items) {
      const { name, uid, annotations } = object.metadata;
      if (!annotations?.[lastAppliedAnnotation] || kept.has(uid)) continue;
      yield { resource, namespace, name: name!, object: { ...object, apiVersion, kind: resource.kind } };
    }
  }
}

export async function prune(
  context: Context,
  infos: Info[],
  applied: AnyObject[],
  dryRun: DryRun,
  say: (object: AnyObject, what: string) => void,
): Promise<void> {
  const kube = await context.kube();
  const kept = new Set(applied.map((object) => object.metadata.uid));
  const grace: number = context.flags['grace-period'];
  for await (const { object, ...place } of prunable(context, infos, kept)) {
    if (dryRun !== 'client')
      await kube.delete(place, {
        ...dryRunOption(dryRun),
        propagationPolicy: propagationPolicy(context),
        ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}),
      });
    say(object, 'pruned');
  }
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
