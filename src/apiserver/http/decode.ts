import { protobuf } from '../../api/protobuf.ts';
import {
  cannotHandle,
  checkFields,
  duplicateFieldText,
  strictDecodingError,
  unknownFieldText,
} from '../../machinery/decode.ts';
import { duplicateKeys, parseJson } from '../../machinery/json.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { openEnvelope } from '../../machinery/protobuf/kubernetes.ts';
import { badRequest, field, invalid, isStatusError, unsupportedMediaType } from '../../machinery/status.ts';
import { type ParseYaml, parseFirstYaml, type YamlDocument } from '../../machinery/yaml.ts';
import type { Context } from '../context.ts';
import type { Registry } from '../registry/registry.ts';

const text = new TextDecoder('utf-8', { fatal: false });

export interface Decoded {
  value: any;
  /** What is wrong with keys that stand twice in one object, as sentences; found only when asked for. */
  duplicates: () => string[];
}

/** Characters of YAML that are read in no time; longer texts are given to a thread where there is one. */
const longYaml = 32 * 1024;

const fromYaml = (document: YamlDocument | undefined): Decoded => ({
  value: document?.value ?? null,
  duplicates: () => document?.duplicates ?? [],
});

/** Reads a body by its media type. Throws 400 for what cannot be read, 415 for what is not known. */
export function decodeBody(
  bytes: Uint8Array,
  contentType: string | undefined,
  typeOf: (apiVersion: string, kind: string) => string | undefined,
  parseYaml?: ParseYaml,
): Decoded | Promise<Decoded> {
  const type = (contentType ?? 'application/json').split(';')[0]!.trim().toLowerCase();
  if (!bytes.length) return { value: undefined, duplicates: () => [] };
  if (type === 'application/yaml' || type === 'application/apply-patch+yaml') {
    const source = text.decode(bytes);
    if (/^\s*\{/.test(source)) return json(source);
    if (parseYaml && source.length > longYaml) return parseYaml(source).then(fromYaml);
    return fromYaml(parseFirstYaml(source));
  }
  if (type === '' || type === 'application/json' || type === '*/*' || type.endsWith('+json'))
    return json(text.decode(bytes));
  if (type === 'application/vnd.kubernetes.protobuf')
    return { value: fromProtobuf(bytes, typeOf), duplicates: () => [] };
  throw unsupportedMediaType(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']);
}

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** What cannot be read at all is told with what it should have been, and how it begins. */
export function unrecognized(error: unknown, kind: string, bytes: Uint8Array): unknown {
  if (!isStatusError(error) || !error.message.startsWith("couldn't get version/kind")) return error;
  const begin = bytes.subarray(0, 30);
  const shown = begin[0] === 123 ? text.decode(begin) : hex(begin);
  const more = bytes.length > begin.length ? ' ...' : '';
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): ${error.message} (${shown}${more})`,
  );
}

function fromProtobuf(
  bytes: Uint8Array,
  typeOf: (apiVersion: string, kind: string) => string | undefined,
): AnyObject {
  try {
    const envelope = openEnvelope(bytes);
    if (!envelope)
      throw new RangeError(
        'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
      );
    const { apiVersion, kind, raw } = envelope;
    const type = typeOf(apiVersion, kind);
    if (!type || !protobuf.knows(type))
      throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}"`);
    return { kind, apiVersion, ...protobuf.decode(raw, type) };
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError)
      throw badRequest(`the body cannot be read as protobuf: ${error.message}`);
    throw error;
  }
}

function json(source: string): Decoded {
  const value = parseJson(source);
  return { value, duplicates: () => duplicateKeys(source, value).map(duplicateFieldText) };
}

/**
 * Checks a body against its type and takes out what the type does not have. With `fieldValidation` Strict unknown and
 * duplicate fields are a 400, with Warn (unless told) they are warnings, with Ignore nothing. Throws 400 for values of a wrong type.
 */
export function checkBody(
  registry: Registry,
  context: Context,
  object: AnyObject,
  duplicates: () => string[] = () => [],
  typeId = context.served.kind.type,
): void {
  const { error, found } = problemsOf(registry, context, object, duplicates, typeId);
  if (!error && !found.length) return;
  const own = context.served.kind;
  const [, version = '', kind = ''] = typeId === own.type ? ['', own.version, own.kind] : typeId.split('.');
  if (error) throw cannotHandle(kind, version, error);
  if (context.options.fieldValidation === 'Strict') throw strictDecodingError(kind, version, found);
  context.warnings.push(...found);
}

/** The same for what a patch has made of an object; what is wrong is said of the patch, in a 422. */
export function checkPatched(
  registry: Registry,
  context: Context,
  object: AnyObject,
  patch: unknown,
  typeId = context.served.kind.type,
): void {
  const { error, found } = problemsOf(registry, context, object, context.duplicates ?? (() => []), typeId);
  // Upstream puts the result of a strategic merge into the type without making JSON of it, and shows the patch itself.
  const strategic = context.patchType === 'strategic';
  const wrong = (why: string) =>
    invalid({ group: '', kind: '' }, '', [
      field('patch').invalid(strategic ? goText(patch) : JSON.stringify(object), why),
    ]);
  if (error) throw wrong(strategic ? unrestored(error) : error);
  if (!found.length) return;
  if (context.options.fieldValidation === 'Strict') throw wrong(`strict decoding error: ${found.join(', ')}`);
  context.warnings.push(...found);
}

/** A value as Go prints it: `map[spec:map[replicas:x]]`. */
function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goText(item)}`).join(' ')}]`;
}

const goKinds: Record<string, string> = { array: 'slice', object: 'map', number: 'int64' };

/** What the conversion of a map into a type says where JSON would say that it cannot unmarshal. */
function unrestored(error: string): string {
  const match = /^json: cannot unmarshal (\w+).* into Go struct field .* of type (.*)$/.exec(error);
  if (!match) return error;
  const [, from = '', type = ''] = match;
  const kind = goKinds[from] ?? from;
  if (type.startsWith('[]')) return `cannot restore slice from ${kind}`;
  if (type.startsWith('map[')) return `cannot restore map from ${kind}`;
  return type.includes('.') ? `cannot restore struct from: ${kind}` : `unrecognized type: ${type}`;
}

function problemsOf(
  registry: Registry,
  context: Context,
  object: AnyObject,
  duplicates: () => string[],
  typeId: string,
): { error?: string | undefined; found: string[] } {
  const { unknown, errors } = checkFields(object, typeId, registry.schemas, {
    // The types of a custom resource are those of its own schema.
    types: !context.served.custom || typeId !== context.served.kind.type,
  });
  if (errors.length || context.options.fieldValidation === 'Ignore') return { error: errors[0], found: [] };
  return { found: [...unknown.map(unknownFieldText), ...duplicates()] };
}
