// YAML as Kubernetes reads and writes it: version 1.1 booleans (yes, on), no dates, sorted keys.
import {
  Composer,
  type Document,
  isAlias,
  isScalar,
  LineCounter,
  Parser,
  type Scalar,
  type ScalarTag,
  stringify,
  type Tags,
  visit,
} from 'yaml';
import { badRequest, type StatusError } from './status.ts';

const notInJson = new Set([
  'tag:yaml.org,2002:timestamp',
  'tag:yaml.org,2002:binary',
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
  'tag:yaml.org,2002:set',
]);

/** Numbers as Go reads them: no sexagesimals (12:30 is a string), 0o17 beside 017, and digits in each (`.` and `e5` have none). */
const numbers: ScalarTag[] = [
  {
    tag: 'tag:yaml.org,2002:int',
    default: true,
    test: /^[-+]?(?:0[bB][01_]+|0[xX][\da-fA-F_]+|0[oO]?[0-7_]+|[1-9][\d_]*|0)$/,
    resolve(text) {
      const digits = text.replace(/_|^[-+]/g, '').replace(/^0(?=\d)/, '0o');
      return text.startsWith('-') ? -Number(digits) : Number(digits);
    },
  },
  {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    test: /^[-+]?(?:\._*\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?\d[\d_]*)?$/,
    resolve: (text) => Number(text.replaceAll('_', '')),
  },
];

const replaced = (tag: Tags[number]): boolean =>
  typeof tag !== 'string' &&
  numbers.some((number) => number.tag === tag.tag) &&
  !(tag as ScalarTag).test?.test('.inf');

const customTags = (tags: Tags): Tags => [
  ...numbers,
  ...tags.filter((tag) => typeof tag === 'string' || !(notInJson.has(tag.tag) || replaced(tag))),
];

export interface YamlDocument {
  value: any;
  /** Keys that stand twice in one map: one sentence about all of them, or none. */
  duplicates: string[];
}

/** Parses the first document of a text elsewhere, where it does not hold up others. Rejects with 400. */
export type ParseYaml = (text: string) => Promise<YamlDocument | undefined>;

/** Every document of a text, empty ones left out. Throws 400 with the line where the text is no YAML. */
export const parseYamlDocuments = (text: string): YamlDocument[] => [...yamlDocuments(text)];

/** The first document that is not empty; what follows is not looked at. Throws 400. */
export const parseFirstYaml = (text: string): YamlDocument | undefined =>
  yamlDocuments(text, 100).next().value;

/** Reads one after the other, `most` at most: what nobody asks for is not parsed. */
function* yamlDocuments(text: string, most = Number.POSITIVE_INFINITY): Generator<YamlDocument, undefined> {
  const lineCounter = new LineCounter();
  const composer = new Composer({
    version: '1.1',
    merge: true,
    uniqueKeys: false,
    // Pretty, they would each quote their line; there may be many, and a line may be long.
    prettyErrors: false,
    customTags,
    logLevel: 'silent',
  });
  let met = 0;
  for (const document of composer.compose(new Parser(lineCounter.addNewLine).parse(text))) {
    if (++met > most) return;
    const [error] = document.errors;
    if (error) {
      // Nested too deep, it says that it has no stack left.
      if (error.message.includes('call stack')) throw wrong(`exceeded max depth of ${maxDepth}`);
      const { line } = lineCounter.linePos(error.pos[0]);
      throw wrong(`${line ? `line ${line}: ` : ''}${error.message.split('\n')[0]}`);
    }
    const value = toJs(document, /[&*]/.test(text));
    if (value === null || value === undefined) continue;
    const lines: string[] = [];
    visit(document, {
      Map(_, map) {
        const seen = new Set<unknown>();
        for (const { key } of map.items) {
          const name = isScalar(key) ? (key as Scalar).value : key;
          if (seen.has(name)) {
            const at = isScalar(key) ? lineCounter.linePos((key as Scalar).range?.[0] ?? 0).line : 0;
            lines.push(`line ${at}: key ${JSON.stringify(String(name))} already set in map`);
          }
          seen.add(name);
        }
      },
    });
    const said = lines.length ? [`yaml: unmarshal errors:\n  ${lines.join('\n  ')}`] : [];
    yield { value, duplicates: said };
  }
}

const wrong = (why: string): StatusError => badRequest(`error converting YAML to JSON: yaml: ${why}`);

/** Deeper nesting than any object has, as in JSON. */
const maxDepth = 1000;
/** Anchors and aliases together: each alias is looked for among all that come before it. */
const maxAliases = 10_000;
/** Characters and nodes of a document with its aliases filled in: several times what a request may have. */
const maxSize = 16 << 20;

/** Throws 400 for what is too large or too deep once its aliases are filled in, and for numbers that JSON does not have. */
function toJs(document: Document.Parsed, aliased: boolean): any {
  if (aliased) {
    let met = 0;
    visit(document, {
      Node(_, node) {
        if ((isAlias(node) || node.anchor) && ++met > maxAliases)
          throw wrong('document contains excessive aliasing');
      },
    });
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    if (error instanceof RangeError) throw wrong(`exceeded max depth of ${maxDepth}`);
    if (error instanceof ReferenceError) throw wrong(error.message);
    throw error;
  }
  let size = 0;
  const weigh = (part: unknown, depth: number): void => {
    if (typeof part === 'number' && !Number.isFinite(part)) throw wrong(`json: unsupported value: ${part}`);
    size += typeof part === 'string' ? part.length + 1 : 1;
    if (size > maxSize) throw wrong('document contains excessive aliasing');
    if (typeof part !== 'object' || part === null) return;
    if (depth >= maxDepth) throw wrong(`exceeded max depth of ${maxDepth}`);
    if (Array.isArray(part)) for (const item of part) weigh(item, depth + 1);
    else
      for (const key in part) {
        size += key.length;
        weigh((part as Record<string, unknown>)[key], depth + 1);
      }
  };
  weigh(value, 0);
  return value;
}

/** One document. Throws 400 where there is none, or more. */
export function parseYaml(text: string): any {
  const documents = parseYamlDocuments(text);
  if (documents.length > 1) throw badRequest('error converting YAML to JSON: more than one document');
  return documents[0]?.value ?? null;
}

/** YAML as `kubectl get -o yaml` writes it: keys sorted, lists not indented, long lines kept. */
export const toYaml = (value: unknown): string =>
  stringify(value, {
    version: '1.1',
    indentSeq: false,
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
    nullStr: 'null',
  });
