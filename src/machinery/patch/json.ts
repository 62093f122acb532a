// JSON Patch (RFC 6902). The document is never changed: what a patch touches is copied, the rest is shared.
import { equal } from '../meta.ts';
import { put } from '../own.ts';
import { badRequest, StatusError } from '../status.ts';

export interface JsonPatchOp {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  path: string;
  from?: string;
  value?: unknown;
}

const MAX_OPERATIONS = 10_000;
/** Bytes that all copies of a patch may add: else thirty of them make a billion times as much. */
const MAX_COPIED = 3 << 20;
/** Elements of lists that all operations of a patch may move out of the way. */
const MAX_MOVED = 100_000_000;

/** 422: the patch can be read but not applied to this object. */
export const unprocessable = (why: string): StatusError =>
  new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ reason: 'UnexpectedServerResponse', message: why }],
  });

class PatchError extends Error {}

function pointer(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw new PatchError(`path ${JSON.stringify(path)} does not begin with /`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function indexOf(token: string, length: number, path: string): number {
  if (!/^-?(0|[1-9]\d*)$/.test(token)) throw new PatchError(`${path}: ${token} is not an index`);
  const index = Number(token) < 0 ? length + Number(token) : Number(token);
  if (index < 0 || index > length) throw new PatchError(`${path}: index ${token} is out of bounds`);
  return index;
}

function get(document: unknown, path: string): { found: boolean; value?: unknown } {
  let value = document;
  for (const token of pointer(path)) {
    if (Array.isArray(value)) {
      const index = indexOf(token, value.length, path);
      if (index >= value.length) return { found: false };
      value = value[index];
    } else if (isObject(value) && Object.hasOwn(value, token)) value = value[token];
    else return { found: false };
  }
  return { found: true, value };
}

/** One run of a patch: what it has made so far, and what that has cost. */
class Run {
  /** Containers made in this run, and nobody else's: they may be changed in place. */
  readonly #mine = new WeakSet<object>();
  #copied = 0;
  #moved = 0;

  apply(document: unknown, { op, path, from, value = null }: JsonPatchOp): unknown {
    switch (op) {
      case 'add':
        return this.#add(document, path, value);
      case 'remove':
        return this.#remove(document, path);
      case 'replace':
        return this.#replace(document, path, value);
      case 'move':
      case 'copy': {
        const source = get(document, from!);
        if (!source.found) throw new PatchError(`${op}: there is nothing at ${from}`);
        if (op === 'copy') return this.#add(document, path, this.#copyOf(source.value));
        if (path.startsWith(`${from}/`)) throw new PatchError(`move: ${path} is inside ${from}`);
        return this.#add(this.#remove(document, from!), path, source.value);
      }
      case 'test': {
        const actual = get(document, path);
        if (!equal(actual.value ?? null, value)) throw new PatchError(`testing value ${path} failed`);
        return document;
      }
    }
  }

  /** A copy of its own, so that a change of the one is not seen in the other. */
  #copyOf(value: unknown): unknown {
    const text = JSON.stringify(value);
    this.#copied += text.length;
    if (this.#copied > MAX_COPIED)
      throw new PatchError(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copied}, exceeding the limit ${MAX_COPIED}`,
      );
    return JSON.parse(text);
  }

  #own<T extends object>(container: T): T {
    if (this.#mine.has(container)) return container;
    if (Array.isArray(container)) this.#moves(container.length);
    const copy: any = Array.isArray(container) ? [...container] : { ...container };
    this.#mine.add(copy);
    return copy;
  }

  #moves(elements: number): void {
    this.#moved += elements;
    if (this.#moved > MAX_MOVED)
      throw new PatchError('the operations on lists of the patch cost more than the limit allows');
  }

  /** Copies the containers on the way to `path` where they are not ours, and lets `edit` change the last one. */
  #change(document: unknown, path: string, edit: (container: any, key: string) => void): unknown {
    const tokens = pointer(path);
    const walk = (value: unknown, depth: number): unknown => {
      const token = tokens[depth]!;
      if (!Array.isArray(value) && !isObject(value))
        throw new PatchError(`${path}: there is nothing at /${tokens.slice(0, depth).join('/')}`);
      const own: any = this.#own(value);
      if (depth === tokens.length - 1) {
        edit(own, token);
        return own;
      }
      if (Array.isArray(own)) {
        const index = indexOf(token, own.length, path);
        own[index] = walk(own[index], depth + 1);
      } else {
        if (!Object.hasOwn(own, token)) throw new PatchError(`${path}: ${token} is missing`);
        put(own, token, walk(own[token], depth + 1));
      }
      return own;
    };
    return walk(document, 0);
  }

  #add(document: unknown, path: string, value: unknown): unknown {
    if (path === '') return value;
    return this.#change(document, path, (container, key) => {
      if (!Array.isArray(container)) put(container, key, value);
      else if (key === '-') container.push(value);
      else {
        const index = indexOf(key, container.length, path);
        this.#moves(container.length - index);
        container.splice(index, 0, value);
      }
    });
  }

  #remove(document: unknown, path: string): unknown {
    if (path === '') throw new PatchError('the whole document cannot be removed');
    return this.#change(document, path, (container, key) => {
      if (Array.isArray(container)) {
        const index = indexOf(key, container.length, path);
        if (index >= container.length) throw new PatchError(`${path}: index ${key} is out of bounds`);
        this.#moves(container.length - index);
        container.splice(index, 1);
      } else {
        if (!Object.hasOwn(container, key)) throw new PatchError(`${path}: there is nothing to remove`);
        delete container[key];
      }
    });
  }

  #replace(document: unknown, path: string, value: unknown): unknown {
    if (path === '') return value;
    return this.#change(document, path, (container, key) => {
      if (Array.isArray(container)) {
        const index = indexOf(key, container.length, path);
        if (index >= container.length) throw new PatchError(`${path}: index ${key} is out of bounds`);
        container[index] = value;
      } else {
        if (!Object.hasOwn(container, key)) throw new PatchError(`${path}: there is nothing to replace`);
        put(container, key, value);
      }
    });
  }
}

function checkOp(op: unknown): asserts op is JsonPatchOp {
  const { op: name, path, from } = (op ?? {}) as Record<string, unknown>;
  if (!isObject(op)) throw badRequest('error decoding patch: an operation is not an object');
  if (!['add', 'remove', 'replace', 'move', 'copy', 'test'].includes(name as string))
    throw unprocessable(`Unexpected kind: ${name}`);
  if (typeof path !== 'string') throw badRequest('error decoding patch: an operation has no path');
  if ((name === 'move' || name === 'copy') && typeof from !== 'string')
    throw badRequest(`error decoding patch: ${name} has no from`);
}

/**
 * Applies a JSON Patch. Shares what it does not change with `document`.
 * Throws 400 when the patch cannot be read, 413 when it is too long, 422 when it cannot be applied.
 */
export function jsonPatch<T = any>(document: T, patch: unknown): T {
  if (!Array.isArray(patch))
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${isObject(patch) ? 'object' : typeof patch} into Go value of type jsonpatch.Patch`,
    );
  if (patch.length > MAX_OPERATIONS)
    throw new StatusError(
      413,
      'RequestEntityTooLarge',
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  let result: unknown = document;
  const run = new Run();
  for (const op of patch) {
    checkOp(op);
    try {
      result = run.apply(result, op);
    } catch (error) {
      if (error instanceof PatchError) throw unprocessable(error.message);
      throw error;
    }
  }
  return result as T;
}
