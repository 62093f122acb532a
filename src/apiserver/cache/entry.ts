import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import { type AnyObject, deepFreeze } from '../../machinery/meta.ts';
import type { KeyValue } from '../../machinery/store.ts';
import { decodeStored } from './stored.ts';

const encoder = new TextEncoder();

/**
 * JSON with kind, apiVersion and metadata first, so that the resource version can be put in by cutting, without encoding
 * again. `{"kind":"Pod","apiVersion":"v1","metadata":{` is the same for all objects of a kind.
 */
export function encodeForStore(kind: Kind<any>, object: AnyObject): Uint8Array {
  const { kind: _k, apiVersion: _a, metadata, ...rest } = object;
  const { resourceVersion: _r, ...meta } = metadata;
  const tail = JSON.stringify(rest);
  return encoder.encode(`${headOf(kind)}${JSON.stringify(meta)}${tail === '{}' ? '}' : `,${tail.slice(1)}`}`);
}

const heads = new WeakMap<Kind, string>();
/** `{"kind":"Pod","apiVersion":"v1","metadata":` */
export function headOf(kind: Kind<any>): string {
  let head = heads.get(kind);
  if (!head) {
    head = `{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(apiVersionOf(kind))},"metadata":`;
    heads.set(kind, head);
  }
  return head;
}

/** An object as the cache holds it: decoded and frozen, shared by all readers; and its bytes on the wire once asked for. */
export class Entry {
  readonly revision: number;
  readonly key: string;
  #object: AnyObject | undefined;
  /** What it is read from, until somebody looks at it. */
  #stored: KeyValue | undefined;
  #json: Uint8Array | undefined;
  readonly #kind: Kind<any>;

  /** Revision 0 is that of what was not stored (a dry run): it has no resource version. */
  constructor(
    kind: Kind<any>,
    key: string,
    decoded: AnyObject | undefined,
    revision: number,
    stored?: KeyValue,
  ) {
    this.#kind = kind;
    this.key = key;
    this.revision = revision;
    this.#object = decoded && frozen(decoded, revision);
    this.#stored = stored;
  }

  /** Read when it is looked at for the first time: a start need not wait for all that there is. Throws what reading it throws. */
  static later(kind: Kind<any>, kv: KeyValue): Entry {
    return new Entry(kind, kv.key, undefined, kv.modRevision, kv);
  }

  get object(): AnyObject {
    if (!this.#object) {
      const { key, value } = this.#stored!;
      this.#object = frozen(decodeStored(this.#kind, key, value), this.revision);
      this.#stored = undefined;
    }
    return this.#object;
  }

  static fromBytes(kind: Kind<any>, key: string, value: Uint8Array, revision: number): Entry {
    return new Entry(kind, key, decodeStored(kind, key, value), revision);
  }

  /** The same object as of another revision: that at which it went. */
  at(revision: number): Entry {
    return new Entry(this.#kind, this.key, this.object, revision);
  }

  /** `{"kind":…,"apiVersion":…,"metadata":{…},…}` in UTF-8. Made once. */
  get json(): Uint8Array {
    this.#json ??= encodeObject(this.#kind, this.object);
    return this.#json;
  }

  /** The bytes after `{"kind":…,"apiVersion":…,`: an item of a list, less its opening brace. */
  get item(): Uint8Array {
    return this.json.subarray(headOf(this.#kind).length - '"metadata":'.length);
  }
}

function frozen(decoded: AnyObject, revision: number): AnyObject {
  const { resourceVersion: _, ...metadata } = decoded.metadata;
  if (revision) (metadata as AnyObject['metadata']).resourceVersion = String(revision);
  return deepFreeze({ ...decoded, metadata });
}

/** The wire form of an object of this kind: kind and apiVersion first, then metadata. */
export function encodeObject(kind: Kind<any>, object: AnyObject): Uint8Array {
  const { kind: _k, apiVersion: _a, metadata, ...rest } = object;
  const tail = JSON.stringify(rest);
  return encoder.encode(
    `${headOf(kind)}${JSON.stringify(metadata)}${tail === '{}' ? '}' : `,${tail.slice(1)}`}`,
  );
}
