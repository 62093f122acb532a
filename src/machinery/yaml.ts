// YAML as Kubernetes reads and writes it: version 1.1 booleans (yes, on), no dates, sorted keys.
import {
  isScalar,
  LineCounter,
  parseAllDocuments,
  type Scalar,
  type ScalarTag,
  stringify,
  type Tags,
  visit,
} from 'yaml';
import { badRequest } from './status.ts';

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

/** Every document of a text, empty ones left out. Throws 400 with the line where the text is no YAML. */
export function parseYamlDocuments(text: string): YamlDocument[] {
  const found: YamlDocument[] = [];
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter,
    version: '1.1',
    merge: true,
    uniqueKeys: false,
    customTags,
    logLevel: 'silent',
  });
  if (!Array.isArray(documents)) return found;
  for (const document of documents) {
    const [error] = document.errors;
    if (error) {
      const line = error.linePos?.[0].line;
      throw badRequest(
        `error converting YAML to JSON: yaml: ${line ? `line ${line}: ` : ''}${error.message.split('\n')[0]}`,
      );
    }
    const value = toJs(document);
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
    found.push({ value, duplicates: said });
  }
  return found;
}

/** Throws 400 for what is too large once its aliases are filled in. */
function toJs(document: { toJS(options: { maxAliasCount: number }): unknown }): any {
  try {
    return document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError)
      throw badRequest(`error converting YAML to JSON: yaml: ${error.message}`);
    throw error;
  }
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
