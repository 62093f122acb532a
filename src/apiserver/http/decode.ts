import {
  cannotHandle,
  checkFields,
  duplicateFieldText,
  strictDecodingError,
  unknownFieldText,
} from '../../machinery/decode.ts';
import { duplicateKeys, parseJson } from '../../machinery/json.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { unsupportedMediaType } from '../../machinery/status.ts';
import { parseYamlDocuments } from '../../machinery/yaml.ts';
import type { Context } from '../context.ts';
import type { Registry } from '../registry/registry.ts';

const text = new TextDecoder('utf-8', { fatal: false });

export interface Decoded {
  value: any;
  /** Keys that stand twice in one object, found only when asked for. */
  duplicates: () => string[];
}

/** Reads a body by its media type. Throws 400 for what cannot be read, 415 for what is not known. */
export function decodeBody(bytes: Uint8Array, contentType: string | undefined): Decoded {
  const type = (contentType ?? 'application/json').split(';')[0]!.trim().toLowerCase();
  if (!bytes.length) return { value: undefined, duplicates: () => [] };
  if (type === 'application/yaml' || type === 'application/apply-patch+yaml') {
    const source = text.decode(bytes);
    if (/^\s*\{/.test(source)) return json(source);
    const documents = parseYamlDocuments(source);
    return { value: documents[0]?.value ?? null, duplicates: () => documents[0]?.duplicates ?? [] };
  }
  if (type === '' || type === 'application/json' || type === '*/*' || type.endsWith('+json'))
    return json(text.decode(bytes));
  throw unsupportedMediaType(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']);
}

function json(source: string): Decoded {
  const value = parseJson(source);
  return { value, duplicates: () => duplicateKeys(source, value) };
}

/**
 * Checks a body against its type and takes out what the type does not have. With `fieldValidation` Strict unknown and
 * duplicate fields are a 400, with Warn they are warnings, with Ignore nothing. Throws 400 for values of a wrong type.
 */
export function checkBody(
  registry: Registry,
  context: Context,
  object: AnyObject,
  duplicates: () => string[] = () => [],
  typeId = context.served.kind.type,
): void {
  const { kind } = context.served;
  const { fieldValidation = 'Ignore' } = context.options;
  const { unknown, errors } = checkFields(object, typeId, registry.schemas);
  if (errors.length) throw cannotHandle(kind.kind, kind.version, errors[0]!);
  if (fieldValidation === 'Ignore') return;
  const found = [...unknown.map(unknownFieldText), ...duplicates().map(duplicateFieldText)];
  if (!found.length) return;
  if (fieldValidation === 'Strict') throw strictDecodingError(kind.kind, kind.version, found);
  context.warnings.push(...found);
}
