import { protobuf } from '../../api/protobuf.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { toYaml } from '../../machinery/yaml.ts';
import type { Context } from '../context.ts';
import type { Result } from '../perform.ts';
import type { ListResult } from '../registry/read.ts';
import type { Scheme, Served } from '../scheme.ts';
import type { Body } from './exchange.ts';
import type { Form } from './negotiate.ts';
import { partial, table } from './table.ts';

export interface Encoded {
  type: string;
  body: Body;
}

const encoder = new TextEncoder();

const specials = new Map(
  Object.entries({
    Status: 'meta.v1.Status',
    DeleteOptions: 'meta.v1.DeleteOptions',
    PartialObjectMetadata: 'meta.v1.PartialObjectMetadata',
    PartialObjectMetadataList: 'meta.v1.PartialObjectMetadataList',
    Scale: 'autoscaling.v1.Scale',
    TokenRequest: 'authentication.v1.TokenRequest',
    Eviction: 'policy.v1.Eviction',
    Binding: 'core.v1.Binding',
  }),
);

/** The id of a type that goes with kinds of any group. */
export const specialType = (kind: string): string | undefined => specials.get(kind);

/** The id of a type in the tables: of a served kind, of its list, or of what goes with all kinds. */
export function typeIdOf(scheme: Scheme, apiVersion: string, kind: string): string | undefined {
  const special = specials.get(kind);
  if (special) return special;
  return scheme.kind(apiVersion, kind)?.kind.type;
}

/** The same without a scheme: `apps/v1 DeploymentList` is `apps.v1.DeploymentList`. */
function typeIdFrom({ apiVersion = '', kind = '' }: AnyObject): string {
  const special = specials.get(kind);
  if (special) return special;
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  return `${group!.split('.')[0]}.${version}.${kind}`;
}

/** Any object in the form that was asked for. */
export function encode(object: AnyObject, form: Form): Encoded {
  if (form.encoding === 'protobuf') {
    const bytes = protobuf.encode(object, typeIdFrom(object));
    if (bytes) return { type: 'application/vnd.kubernetes.protobuf', body: bytes };
  }
  if (form.encoding === 'yaml') return { type: 'application/yaml', body: toYaml(object) };
  return {
    type: 'application/json',
    body: JSON.stringify(object, null, form.pretty ? 2 : undefined) + (form.pretty ? '\n' : ''),
  };
}

/** One event of a watch in protobuf. */
export function encodeWatchObject(type: string, object: AnyObject): Uint8Array {
  return protobuf.encodeWatchEvent(type, protobuf.encode(object, typeIdFrom(object))!);
}

/** What a request came to, in the form that was asked for. Where the plain JSON is wanted, stored bytes are joined. */
export function encodeResult(context: Context, result: Result, form: Form, include: string): Encoded {
  const { served } = context;
  const plain = form.encoding === 'json' && !form.as && !form.pretty;
  if (result.type === 'object') return encode(result.object, { ...form, as: undefined });
  if (result.type === 'entry') {
    if (plain) return { type: 'application/json', body: result.entry.json };
    const { object } = result.entry;
    return encode(transform(served.kind, [object], undefined, context.nowMs, form, include), form);
  }
  if (plain) return { type: 'application/json', body: joinList(served, result.list) };
  const objects = result.list.entries.map((entry) => entry.object);
  return encode(transform(served.kind, objects, listMeta(result.list), context.nowMs, form, include), form);
}

const listKindOf = (kind: Kind<any>): string => kind.listKind ?? `${kind.kind}List`;
const listMeta = (list: ListResult) => ({
  resourceVersion: String(list.revision),
  ...(list.continue ? { continue: list.continue } : {}),
  ...(list.remaining ? { remainingItemCount: list.remaining } : {}),
});

/** One object (no list metadata) or many as Table, PartialObjectMetadata(List), or as they are. */
export function transform(
  kind: Kind<any>,
  objects: AnyObject[],
  metadata: object | undefined,
  nowMs: number,
  form: Form,
  include: string,
): AnyObject {
  if (form.as === 'Table') {
    return table(
      kind,
      objects,
      metadata ?? { resourceVersion: objects[0]!.metadata.resourceVersion },
      nowMs,
      include,
    );
  }
  if (form.as) {
    if (!metadata) return partial(objects[0]!);
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata: metadata as AnyObject['metadata'],
      items: objects.map(partial),
    };
  }
  const head = { kind: kind.kind, apiVersion: apiVersionOf(kind) };
  if (!metadata) return { ...head, ...objects[0]! };
  return {
    kind: listKindOf(kind),
    apiVersion: head.apiVersion,
    metadata: metadata as AnyObject['metadata'],
    items: objects,
  };
}

/** A list of what is encoded already: the bytes of its items. Those of built-in kinds do not repeat what the list says. */
function joinList({ kind, custom }: Served, list: ListResult): Uint8Array[] {
  const head = encoder.encode(
    `{"kind":"${listKindOf(kind)}","apiVersion":"${apiVersionOf(kind)}","metadata":${JSON.stringify(listMeta(list))},"items":[`,
  );
  let items = list.joined?.get();
  if (!items) {
    items = joinItems(list.entries.map((entry) => (custom ? entry.json.subarray(1) : entry.item)));
    list.joined?.set(items);
  }
  return [head, items];
}

/** What comes after `"items":[`. */
function joinItems(items: Uint8Array[]): Uint8Array {
  const body = new Uint8Array(items.reduce((sum, item) => sum + item.length + 2, 3));
  let at = 0;
  for (const [i, item] of items.entries()) {
    if (i) body[at++] = 0x2c;
    body[at++] = 0x7b;
    body.set(item, at);
    at += item.length;
  }
  body[at++] = 0x5d;
  body[at++] = 0x7d;
  return body.subarray(0, at);
}
