// The path that a rule gives for its errors: `.spec.name`, `.labels['a.b']`.
import type { JSONSchema } from '../apply/openapi-schema.ts';

export interface PathPart {
  name: string;
  /** A key of a map, no field of an object. */
  isKey: boolean;
}

const part = /\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]/sy;
const escapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

/** Undefined where the path leads to nothing in the schema. */
export function fieldPathOf(text: string, schema: JSONSchema): PathPart[] | undefined {
  const parts: PathPart[] = [];
  let at: JSONSchema | undefined = schema;
  part.lastIndex = 0;
  for (let end = 0; end < text.length; end = part.lastIndex) {
    const match = part.exec(text);
    if (!match) return undefined;
    const name = match[1] ?? unescaped(match[2]!);
    if (name === undefined || !at) return undefined;
    const { properties, additionalProperties }: JSONSchema = at;
    if (properties) {
      if (!Object.hasOwn(properties, name)) return undefined;
      at = properties[name];
    } else if (typeof additionalProperties === 'object') at = additionalProperties;
    else return undefined;
    parts.push({ name, isKey: !properties });
  }
  return parts;
}

function unescaped(text: string): string | undefined {
  let isKnown = true;
  const result = text.replace(/\\(.)/gs, (_, c: string) => {
    if (!Object.hasOwn(escapes, c)) isKnown = false;
    return escapes[c] ?? '';
  });
  return isKnown ? result : undefined;
}
