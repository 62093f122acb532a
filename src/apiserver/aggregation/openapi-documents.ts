// OpenAPI version 2 of several servers as one document.
import { equal } from '../../machinery/meta.ts';

export type Doc = Record<string, any>;

const prefix = '#/definitions/';

/** Calls `visit` for each reference to a definition in a value, and puts in what it gives. */
function mapReferences(value: any, visit: (name: string) => string): any {
  if (Array.isArray(value)) return value.map((one) => mapReferences(one, visit));
  if (typeof value !== 'object' || value === null) return value;
  const result: Doc = {};
  for (const key in value) {
    const inner = value[key];
    const refers = key === '$ref' && typeof inner === 'string' && inner.startsWith(prefix);
    result[key] = refers ? prefix + visit(inner.slice(prefix.length)) : mapReferences(inner, visit);
  }
  return result;
}

/** The paths that begin with `start`, and the definitions that they need, one through the other. */
export function filterPaths(doc: Doc, start: string): Doc {
  const paths = Object.fromEntries(
    Object.entries(doc.paths ?? {}).filter(([path]) => path.startsWith(start)),
  );
  const definitions: Doc = {};
  const need = (value: unknown): void => {
    mapReferences(value, (name) => {
      const definition = doc.definitions?.[name];
      if (definition && !(name in definitions)) {
        definitions[name] = definition;
        need(definition);
      }
      return name;
    });
  };
  need(paths);
  // Types that no path needs are still there for those who ask what they are.
  for (const [name, definition] of Object.entries<Doc>(doc.definitions ?? {})) {
    const kinds = (definition['x-kubernetes-group-version-kind'] ?? []) as {
      group: string;
      version: string;
    }[];
    if (!(name in definitions) && kinds.some((k) => `/apis/${k.group}/${k.version}/` === start)) {
      definitions[name] = definition;
      need(definition);
    }
  }
  return { swagger: doc.swagger, paths, definitions, parameters: doc.parameters ?? {} };
}

/** Adds what others have. Of two paths the first stays; of two definitions of one name the second gets another name. */
export function mergeDocuments(ours: Doc, others: readonly Doc[]): Doc {
  if (!others.length) return ours;
  const merged: Doc = {
    ...ours,
    paths: { ...ours.paths },
    definitions: { ...ours.definitions },
    parameters: { ...ours.parameters },
  };
  for (const other of others) {
    const names = new Map<string, string>();
    for (const name in other.definitions) {
      const own = merged.definitions[name];
      if (own === undefined || equal(own, other.definitions[name])) continue;
      let n = 2;
      while (merged.definitions[`${name}_v${n}`]) n++;
      names.set(name, `${name}_v${n}`);
    }
    const named = (name: string) => names.get(name) ?? name;
    for (const name in other.definitions)
      merged.definitions[named(name)] = mapReferences(other.definitions[name], named);
    for (const path in other.paths) merged.paths[path] ??= mapReferences(other.paths[path], named);
    for (const name in other.parameters)
      merged.parameters[name] ??= mapReferences(other.parameters[name], named);
  }
  return merged;
}
