// Objects of the built-in kinds in protobuf, from the field tables of the facts.
// Format: "Kubernetes Protobuf encoding" in the API concepts: the bytes `k8s\0`, then a runtime.Unknown that holds
// apiVersion, kind and the encoded object.
import { parseJson } from '../json.ts';
import type { AnyObject } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { durationNs, durationText } from './duration.ts';
import { ProtoReader, ProtoWriter } from './wire.ts';
import { keepsZero } from './zero-values.ts';

type Messages = Record<string, Record<string, [number, string]>>;

/** How one field is written: its number, its JSON name, and what it holds. */
interface Slot {
  number: number;
  json: string;
  type: string;
  repeated: boolean;
  map: boolean;
  /** The message's fields stand in the parent's JSON. */
  inline: boolean;
  /** JSON has the field also when it is zero. */
  keepsZero: boolean;
}
interface Message {
  slots: Slot[];
  byNumber: Map<number, Slot>;
}

export interface KubernetesCodec {
  /** With the envelope; undefined where the object's type is not in the tables (custom resources). */
  encode(object: AnyObject, typeId: string): Uint8Array | undefined;
  /** Without the envelope. Throws RangeError for malformed input. */
  decode(bytes: Uint8Array, typeId: string): AnyObject;
  /** Any message of the tables, bare. */
  encodeMessage(value: unknown, typeId: string): Uint8Array;
  /** `{type, object}` as a watch sends it: the length in four bytes, big-endian, then a meta.v1.WatchEvent. */
  encodeWatchEvent(type: string, object: Uint8Array): Uint8Array;
  knows(typeId: string): boolean;
}

/** Deeper nesting than any object has: what walks objects need not fear for its stack. */
const maxDepth = 300;
const magic = new Uint8Array([0x6b, 0x38, 0x73, 0x00]);
const text = new TextEncoder();
const fromText = new TextDecoder();

/** Apart the envelope; undefined when the bytes do not begin with `k8s\0`. Throws RangeError for malformed input. */
export function openEnvelope(
  bytes: Uint8Array,
): { apiVersion: string; kind: string; raw: Uint8Array } | undefined {
  if (!magic.every((byte, i) => bytes[i] === byte)) return undefined;
  const reader = new ProtoReader(bytes, 4);
  const result = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array };
  while (reader.position < bytes.length) {
    const tag = reader.uint32();
    if (tag === 10) {
      const end = reader.lengthEnd();
      while (reader.position < end) {
        const inner = reader.uint32();
        if (inner === 10) result.apiVersion = reader.string();
        else if (inner === 18) result.kind = reader.string();
        else reader.skip(inner & 7);
      }
    } else if (tag === 18) result.raw = reader.bytes();
    else reader.skip(tag & 7);
  }
  return result;
}

export function sealEnvelope(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  const writer = new ProtoWriter(raw.length + 64).raw(magic);
  const meta = writer.beginMessage(1);
  writer.tag(1, 2).string(apiVersion).tag(2, 2).string(kind);
  writer.endMessage(meta);
  return writer.tag(2, 2).bytes(raw).tag(3, 2).string('').tag(4, 2).string('').finish();
}

/** A codec over tables: `types` as the facts give them, `messages` those that only protobuf has. */
export function kubernetesCodec(types: SchemaTable, messages: Messages): KubernetesCodec {
  const compiled = new Map<string, Message | undefined>();

  function message(id: string): Message | undefined {
    if (compiled.has(id)) return compiled.get(id);
    const slots: Slot[] = [];
    const own = types[id]?.fields ?? {};
    const add = (number: number, json: string, type: string, inline = false) => {
      const map = type.startsWith('map<string,');
      const repeated = type.startsWith('repeated ');
      let bare = map ? type.slice(11, -1) : repeated ? type.slice(9) : type;
      bare = bare.replace(/^\./, '');
      if (!bare.includes('.') && /^[A-Z]/.test(bare))
        bare = `${id.split('.').slice(0, -1).join('.')}.${bare}`;
      slots.push({
        number,
        json,
        type: bare,
        repeated,
        map,
        inline,
        keepsZero: bare.includes('.') || keepsZero(types, id, json),
      });
    };
    for (const [json, field] of Object.entries(own)) if (field.n && field.p) add(field.n, json, field.p);
    const plain = (name: string) => name.replace(/[-$]/g, '').toLowerCase();
    for (const [name, [number, type]] of Object.entries(types[id]?.protoOnly ?? {})) {
      const json = Object.keys(own).find(
        (candidate) => !own[candidate]!.n && plain(candidate) === plain(name),
      );
      if (json) add(number, json, type);
      else add(number, name, type, type.includes('.'));
    }
    if (!types[id])
      for (const [name, [number, type]] of Object.entries(messages[id] ?? {})) add(number, name, type);
    const found =
      slots.length || types[id] || messages[id]
        ? {
            slots: slots.sort((a, b) => a.number - b.number),
            byNumber: new Map(slots.map((s) => [s.number, s])),
          }
        : undefined;
    compiled.set(id, found);
    return found;
  }

  function writeFields(writer: ProtoWriter, id: string, value: any): void {
    for (const slot of message(id)?.slots ?? []) {
      if (slot.inline) {
        const mark = writer.beginMessage(slot.number);
        writeFields(writer, slot.type, value);
        writer.endMessage(mark);
        continue;
      }
      const field = value[slot.json];
      if (field === undefined || field === null) continue;
      if (slot.repeated) for (const item of field) writeValue(writer, slot.number, slot.type, item);
      else if (slot.map) {
        for (const [key, item] of Object.entries(field)) {
          const mark = writer.beginMessage(slot.number);
          writer.tag(1, 2).string(key);
          writeValue(writer, 2, slot.type, item);
          writer.endMessage(mark);
        }
      } else writeValue(writer, slot.number, slot.type, field);
    }
  }

  function writeValue(writer: ProtoWriter, number: number, type: string, value: any): void {
    switch (type) {
      case 'string':
        writer.tag(number, 2).string(String(value));
        return;
      case 'bytes':
        writer.tag(number, 2).bytes(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)));
        return;
      case 'bool':
        writer.tag(number, 0).uint32(value ? 1 : 0);
        return;
      case 'int32':
      case 'int64':
      case 'uint32':
        writer.tag(number, 0).int64(value);
        return;
      case 'double':
        writer.tag(number, 1).double(value);
        return;
    }
    const mark = writer.beginMessage(number);
    writeMessage(writer, type, value);
    writer.endMessage(mark);
  }

  function writeMessage(writer: ProtoWriter, type: string, value: any): void {
    switch (type) {
      case 'meta.v1.Time':
      case 'meta.v1.MicroTime': {
        const ms = Date.parse(value);
        const seconds = Math.floor(ms / 1000);
        const micros =
          type === 'meta.v1.MicroTime' ? Number((/\.(\d{1,6})/.exec(value)?.[1] ?? '0').padEnd(6, '0')) : 0;
        writer
          .tag(1, 0)
          .int64(seconds)
          .tag(2, 0)
          .int64(micros * 1000);
        return;
      }
      case 'meta.v1.Duration':
        writer.tag(1, 0).int64(durationNs(value));
        return;
      case 'resource.Quantity':
      case 'resource.QuantityValue':
        writer.tag(1, 2).string(String(value));
        return;
      case 'intstr.IntOrString':
        writer
          .tag(1, 0)
          .uint32(typeof value === 'number' ? 0 : 1)
          .tag(2, 0)
          .int64(typeof value === 'number' ? value : 0);
        writer.tag(3, 2).string(typeof value === 'number' ? '' : value);
        return;
      case 'runtime.RawExtension':
      case 'meta.v1.FieldsV1':
      case 'apiextensions.v1.JSON':
        writer.tag(1, 2).bytes(text.encode(JSON.stringify(value)));
        return;
      case 'apiextensions.v1.JSONSchemaPropsOrArray':
        if (Array.isArray(value))
          for (const item of value) writeValue(writer, 2, 'apiextensions.v1.JSONSchemaProps', item);
        else writeValue(writer, 1, 'apiextensions.v1.JSONSchemaProps', value);
        return;
      case 'apiextensions.v1.JSONSchemaPropsOrBool':
        if (typeof value === 'boolean') writer.tag(1, 0).uint32(value ? 1 : 0);
        else {
          writer.tag(1, 0).uint32(1);
          writeValue(writer, 2, 'apiextensions.v1.JSONSchemaProps', value);
        }
        return;
      case 'apiextensions.v1.JSONSchemaPropsOrStringArray':
        if (Array.isArray(value)) for (const item of value) writer.tag(2, 2).string(item);
        else writeValue(writer, 1, 'apiextensions.v1.JSONSchemaProps', value);
        return;
    }
    if (isWords(type)) for (const item of value) writer.tag(1, 2).string(item);
    else writeFields(writer, type, value);
  }

  let depth = 0;
  function readFields(reader: ProtoReader, end: number, id: string, into: any): any {
    if (depth >= maxDepth) throw new RangeError(`protobuf: nested deeper than ${maxDepth} messages`);
    depth++;
    try {
      return readFieldsOf(message(id), reader, end, into);
    } finally {
      depth--;
    }
  }

  function readFieldsOf(known: Message | undefined, reader: ProtoReader, end: number, into: any): any {
    while (reader.position < end) {
      const tag = reader.uint32();
      const slot = known?.byNumber.get(tag >>> 3);
      if (!slot) reader.skip(tag & 7);
      else if (slot.inline) readFields(reader, reader.lengthEnd(), slot.type, into);
      else if (slot.map) readEntry(reader, slot, (into[slot.json] ??= {}));
      else if (slot.repeated) readRepeated(reader, tag & 7, slot, (into[slot.json] ??= []));
      else {
        const value = readValue(reader, slot.type);
        if (value === null) continue;
        // The last one that is said counts, and a zero takes back what was said before.
        if (slot.keepsZero || (value !== '' && value !== 0 && value !== false)) into[slot.json] = value;
        else if (into[slot.json] !== undefined) delete into[slot.json];
      }
    }
    return into;
  }

  function readRepeated(reader: ProtoReader, wire: number, slot: Slot, list: unknown[]): void {
    if (wire === 2 && ['int32', 'int64', 'bool', 'double'].includes(slot.type)) {
      const end = reader.lengthEnd();
      while (reader.position < end) list.push(readValue(reader, slot.type));
    } else list.push(readValue(reader, slot.type));
  }

  function readEntry(reader: ProtoReader, slot: Slot, into: Record<string, unknown>): void {
    const end = reader.lengthEnd();
    let key = '';
    let value: unknown = slot.type === 'string' || slot.type === 'bytes' ? '' : undefined;
    while (reader.position < end) {
      const tag = reader.uint32();
      if (tag === 10) key = reader.string();
      else if (tag >>> 3 === 2) value = readValue(reader, slot.type);
      else reader.skip(tag & 7);
    }
    Object.defineProperty(into, key, {
      value: value ?? {},
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }

  function readValue(reader: ProtoReader, type: string): any {
    switch (type) {
      case 'string':
        return reader.string();
      case 'bytes':
        return base64(reader.bytes());
      case 'bool':
        return reader.uint32() !== 0;
      case 'int32':
        return reader.int32();
      case 'int64':
      case 'uint32':
        return reader.int64();
      case 'double':
        return finite(reader.double());
    }
    return readMessage(reader, reader.lengthEnd(), type);
  }

  function readMessage(reader: ProtoReader, end: number, type: string): any {
    const bare = special[type] ?? (isWords(type) ? special.ExtraValue : undefined);
    if (!bare) return readFields(reader, end, type, {});
    const fields: Record<number, any[]> = {};
    while (reader.position < end) {
      const tag = reader.uint32();
      const how = bare.fields[tag >>> 3];
      if (how) (fields[tag >>> 3] ??= []).push(readValue(reader, how));
      else reader.skip(tag & 7);
    }
    return bare.value(fields);
  }

  return {
    knows: (id) => message(id) !== undefined,
    encodeMessage(value, id) {
      const writer = new ProtoWriter(1024);
      writeMessage(writer, id, value);
      return writer.finish();
    },
    encode(object, id) {
      if (!message(id)) return undefined;
      return sealEnvelope(object.apiVersion ?? '', object.kind ?? '', this.encodeMessage(object, id));
    },
    decode: (bytes, id) => readFields(new ProtoReader(bytes), bytes.length, id, {}),
    encodeWatchEvent(type, object) {
      const writer = new ProtoWriter(object.length + 32).raw(new Uint8Array(4)).tag(1, 2).string(type);
      const mark = writer.beginMessage(2);
      writer.tag(1, 2).bytes(object);
      writer.endMessage(mark);
      const frame = writer.finish();
      new DataView(frame.buffer).setUint32(0, frame.length - 4);
      return frame;
    },
  };
}

/** Messages that hold a list of texts, which JSON has in their place. */
const isWords = (type: string): boolean => type.endsWith('.ExtraValue') || type === 'meta.v1.Verbs';

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`protobuf: JSON has no ${value}`);
  return value;
}

const rawJson = (fields: Record<number, any[]>): unknown => {
  const raw = fields[1]?.at(-1);
  return raw ? parseJson(fromText.decode(Uint8Array.from(atob(raw), (c) => c.charCodeAt(0)))) : null;
};
/** Nothing said is no time, and so is the first second of 1970: it is what no time is written as. */
function timeText(fields: Record<number, any[]>): string | undefined {
  const seconds = fields[1]?.at(-1) ?? 0;
  if (seconds === 0 && !fields[2]?.at(-1)) return undefined;
  if (seconds < -62135596800 || seconds > 253402300799)
    throw new RangeError(`protobuf: a time of ${seconds} seconds`);
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}
const props = 'apiextensions.v1.JSONSchemaProps';
/** Messages whose JSON is not an object of their fields: what to read, and what to make of it. */
const special: Record<
  string,
  { fields: Record<number, string>; value: (fields: Record<number, any[]>) => unknown }
> = {
  'meta.v1.Time': {
    fields: { 1: 'int64', 2: 'int32' },
    value: (f) => {
      const seconds = timeText(f);
      return seconds === undefined ? null : `${seconds}Z`;
    },
  },
  'meta.v1.MicroTime': {
    fields: { 1: 'int64', 2: 'int32' },
    value: (f) => {
      const seconds = timeText(f);
      const nanos = f[2]?.at(-1) ?? 0;
      if (nanos < 0 || nanos > 999_999_999) throw new RangeError(`protobuf: a time of ${nanos} nanoseconds`);
      return seconds === undefined
        ? null
        : `${seconds}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
    },
  },
  'meta.v1.Duration': { fields: { 1: 'int64' }, value: (f) => durationText(f[1]?.[0] ?? 0) },
  'resource.Quantity': { fields: { 1: 'string' }, value: (f) => f[1]?.[0] ?? '0' },
  'resource.QuantityValue': { fields: { 1: 'string' }, value: (f) => f[1]?.[0] ?? '0' },
  'intstr.IntOrString': {
    fields: { 1: 'int64', 2: 'int32', 3: 'string' },
    value: (f) => (f[1]?.[0] ? (f[3]?.[0] ?? '') : (f[2]?.[0] ?? 0)),
  },
  'runtime.RawExtension': { fields: { 1: 'bytes' }, value: rawJson },
  'meta.v1.FieldsV1': { fields: { 1: 'bytes' }, value: rawJson },
  'apiextensions.v1.JSON': { fields: { 1: 'bytes' }, value: rawJson },
  'apiextensions.v1.JSONSchemaPropsOrArray': {
    fields: { 1: props, 2: props },
    value: (f) => f[2] ?? f[1]?.[0] ?? null,
  },
  'apiextensions.v1.JSONSchemaPropsOrBool': {
    fields: { 1: 'bool', 2: props },
    value: (f) => f[2]?.[0] ?? f[1]?.[0] ?? false,
  },
  'apiextensions.v1.JSONSchemaPropsOrStringArray': {
    fields: { 1: props, 2: 'string' },
    value: (f) => f[2] ?? f[1]?.[0] ?? null,
  },
  ExtraValue: { fields: { 1: 'string' }, value: (f) => f[1] ?? [] },
};

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(binary);
}
