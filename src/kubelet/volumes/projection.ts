// Files of volumes that show objects of the API. Pure.
// https://kubernetes.io/docs/concepts/storage/projected-volumes/
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Secret } from '../../api/core/v1.gen.ts';
import type { DownwardFacts } from '../downward-api.ts';
import { fieldValue, resourceValue } from '../downward-api.ts';
import { fromBase64 } from '../environment.ts';
import type { ProjectedFile } from '../host.ts';

const encoder = new TextEncoder();

/** Contents by key. */
export type Contents = Record<string, Uint8Array>;

export const configMapContents = ({ data = {}, binaryData = {} }: ConfigMap): Contents => ({
  ...Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encoder.encode(text)])),
  ...Object.fromEntries(Object.entries(binaryData).map(([key, base64]) => [key, fromBase64(base64)])),
});

export const secretContents = ({ data = {} }: Secret): Contents =>
  Object.fromEntries(Object.entries(data).map(([key, base64]) => [key, fromBase64(base64)]));

/** No `..`, nothing absolute: such paths are refused by the API, and once more here. */
export function checkPath(path: string): string {
  if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`invalid path: ${path}`);
  return path;
}

/**
 * All keys as files of their names, or those that `items` names. Throws `references non-existent config key: x` for a
 * missing key that is not optional.
 */
export function keyFiles(
  contents: Contents,
  items: KeyToPath[] | undefined,
  mode: number,
  optional: boolean | undefined,
  what: 'config' | 'secret',
): ProjectedFile[] {
  if (!items?.length)
    return Object.entries(contents).map(([path, data]) => ({ path: checkPath(path), data, mode }));
  return items.flatMap((item) => {
    if (Object.hasOwn(contents, item.key))
      return [{ path: checkPath(item.path), data: contents[item.key]!, mode: item.mode ?? mode }];
    if (optional) return [];
    throw new Error(`references non-existent ${what} key: ${item.key}`);
  });
}

export const downwardFiles = (
  items: DownwardAPIVolumeFile[] | undefined,
  mode: number,
  facts: DownwardFacts,
): ProjectedFile[] =>
  (items ?? []).map((item) => {
    const { fieldRef, resourceFieldRef } = item;
    const text = fieldRef
      ? fieldValue(fieldRef, facts)
      : resourceFieldRef
        ? resourceValue(resourceFieldRef, facts)
        : '';
    return { path: checkPath(item.path), data: encoder.encode(text), mode: item.mode ?? mode };
  });

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));

/** Whether two sets of files are the same, in any order. */
export function sameFiles(a: ProjectedFile[], b: ProjectedFile[]): boolean {
  if (a.length !== b.length) return false;
  const others = new Map(b.map((file) => [file.path, file]));
  return a.every((file) => {
    const other = others.get(file.path);
    return other && other.mode === file.mode && other.uid === file.uid && sameBytes(file.data, other.data);
  });
}
