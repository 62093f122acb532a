// What a kustomization changes in all of its objects: namespace, names, labels, annotations, images, sizes.
import type { AnyObject } from '../../machinery/meta.ts';
import { podTemplateOf } from '../commands/pod-spec.ts';
import { KubectlError } from '../errors.ts';
import type { Item } from './build.ts';
import type { Generator, GeneratorOptions } from './generators.ts';
import { clusterScoped } from './names.ts';
import type { PatchEntry } from './patches.ts';

type Pairs = Record<string, string>;

/** A kustomization file. */
export interface Fields {
  resources?: string[];
  bases?: string[];
  components?: string[];
  namespace?: string;
  namePrefix?: string;
  nameSuffix?: string;
  commonLabels?: Pairs;
  labels?: { pairs: Pairs; includeSelectors?: boolean; includeTemplates?: boolean }[];
  commonAnnotations?: Pairs;
  images?: { name: string; newName?: string; newTag?: string; digest?: string; tagSuffix?: string }[];
  replicas?: { name: string; count: number }[];
  configMapGenerator?: Generator[];
  secretGenerator?: Generator[];
  generatorOptions?: GeneratorOptions;
  patches?: PatchEntry[];
  patchesStrategicMerge?: string[];
  patchesJson6902?: PatchEntry[];
  sortOptions?: { order?: 'legacy' | 'fifo' };
}

/** Changes the objects in the order in which kustomize does. */
export function transform(fields: Fields, items: Item[]): void {
  const { namespace, namePrefix = '', nameSuffix = '' } = fields;
  for (const item of items) {
    const { object } = item;
    if (namespace) place(item, namespace);
    if ((namePrefix || nameSuffix) && !keepsName(object))
      rename(item, `${namePrefix}${object.metadata.name}${nameSuffix}`);
    if (fields.commonLabels) label(object, fields.commonLabels, { selectors: true, templates: true });
    for (const { pairs, includeSelectors: selectors = false, includeTemplates = false } of fields.labels ??
      [])
      label(object, pairs, { selectors, templates: selectors || includeTemplates });
    if (fields.commonAnnotations) annotate(object, fields.commonAnnotations);
    for (const image of fields.images ?? []) setImage(object, image);
  }
  for (const { name, count } of fields.replicas ?? []) {
    const sized = items.filter(
      ({ object, names }) =>
        ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'].includes(object.kind!) &&
        (names.includes(name) || object.metadata.name === name),
    );
    if (!sized.length)
      throw new KubectlError(
        `resource with name ${name} does not match a config with the following GVK [Deployment ReplicaSet ReplicationController StatefulSet]`,
      );
    for (const { object } of sized) (object.spec ??= {}).replicas = Number(count);
  }
}

export function rename(item: Item, name: string): void {
  item.object.metadata.name = name;
  if (!item.names.includes(name)) item.names.push(name);
}

const keepsName = ({ kind }: AnyObject): boolean =>
  ['Namespace', 'CustomResourceDefinition', 'APIService'].includes(kind!);

function place(item: Item, namespace: string): void {
  const { object } = item;
  if (object.kind === 'Namespace') rename(item, namespace);
  if (/^(Cluster)?RoleBinding$/.test(object.kind!))
    for (const subject of object.subjects ?? [])
      if (subject.kind === 'ServiceAccount' && subject.name === 'default') subject.namespace = namespace;
  if (object.kind === 'APIService' && object.spec?.service) object.spec.service.namespace = namespace;
  if (!clusterScoped(object)) object.metadata.namespace = namespace;
}

const add = (holder: any, field: string, pairs: Pairs): void => {
  holder[field] = { ...holder[field], ...pairs };
};

function label(object: AnyObject, pairs: Pairs, to: { selectors: boolean; templates: boolean }): void {
  add(object.metadata, 'labels', pairs);
  const { kind, spec } = object;
  const template = kind === 'Pod' ? undefined : podTemplateOf(object);
  if (to.templates) {
    if (template) add((template.metadata ??= {}), 'labels', pairs);
    if (kind === 'CronJob') add((spec.jobTemplate.metadata ??= {}), 'labels', pairs);
    for (const claim of (kind === 'StatefulSet' && spec.volumeClaimTemplates) || [])
      add((claim.metadata ??= {}), 'labels', pairs);
  }
  if (!to.selectors || !spec) return;
  if (kind === 'Service' || kind === 'ReplicationController') add(spec, 'selector', pairs);
  else if (['Deployment', 'ReplicaSet', 'DaemonSet', 'StatefulSet'].includes(kind!))
    add((spec.selector ??= {}), 'matchLabels', pairs);
  else if (['Job', 'PodDisruptionBudget'].includes(kind!)) more(spec.selector, pairs);
  else if (kind === 'CronJob') more(spec.jobTemplate?.spec?.selector, pairs);
  else if (kind === 'NetworkPolicy') {
    more(spec.podSelector, pairs);
    for (const peer of [
      ...(spec.ingress ?? []).flatMap((rule: any) => rule.from ?? []),
      ...(spec.egress ?? []).flatMap((rule: any) => rule.to ?? []),
    ])
      more(peer.podSelector, pairs);
  }
  const pod = template?.spec;
  for (const field of ['podAffinity', 'podAntiAffinity']) {
    const terms = pod?.affinity?.[field] ?? {};
    for (const term of terms.requiredDuringSchedulingIgnoredDuringExecution ?? [])
      more(term.labelSelector, pairs);
    for (const term of terms.preferredDuringSchedulingIgnoredDuringExecution ?? [])
      more(term.podAffinityTerm?.labelSelector, pairs);
  }
  for (const spread of pod?.topologySpreadConstraints ?? []) more(spread.labelSelector, pairs);
}

/** A selector that says labels gets these too; one that does not is left alone. */
const more = (selector: any, pairs: Pairs): void => {
  if (selector?.matchLabels) add(selector, 'matchLabels', pairs);
};

function annotate(object: AnyObject, pairs: Pairs): void {
  add(object.metadata, 'annotations', pairs);
  if (object.kind === 'Pod') return;
  const template = podTemplateOf(object);
  if (template) add((template.metadata ??= {}), 'annotations', pairs);
  if (object.kind === 'CronJob') add((object.spec.jobTemplate.metadata ??= {}), 'annotations', pairs);
}

/** In any list of containers, also of kinds that are not built in. */
function setImage(node: any, image: NonNullable<Fields['images']>[number]): void {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (Array.isArray(value) && (key === 'containers' || key === 'initContainers'))
      for (const container of value)
        if (typeof container?.image === 'string') container.image = imageWith(container.image, image);
    setImage(value, image);
  }
}

function imageWith(
  text: string,
  { name, newName, newTag, digest, tagSuffix }: NonNullable<Fields['images']>[number],
): string {
  const [, base, tag = '', hash = ''] = /^(.+?)(:[^:/@]+)?(@.+)?$/.exec(text)!;
  if (base !== name) return text;
  const kept = `${tag}${hash}`;
  const version = digest
    ? `@${digest}`
    : newTag
      ? `:${newTag}`
      : tagSuffix && tag
        ? `${tag}${tagSuffix}`
        : kept;
  return `${newName ?? base}${version}`;
}
