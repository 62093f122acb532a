// Protobuf messages as plain objects, driven by a table of field numbers and types.
//
//   const table = {
//     Pet: { name: [1, 'string'], ages: [2, 'repeated int32'], tags: [3, 'map<string,string>'], owner: [4, 'Owner'] },
//     Owner: { id: [1, 'int64'] },
//   } as const;
//   const codec = messageCodec(table);
//   codec.decode('Pet', codec.encode('Pet', { name: 'rex', owner: { id: 7 } }))
//     // -> { name: 'rex', ages: [], tags: {}, owner: { id: 7 } }
//
// The TypeScript types are inferred from the same table: `Init` is what one writes (every field optional), `Message`
// what one reads (scalars, lists and maps always there, with proto3's defaults; a message field may be undefined).
// Every Message is a valid Init.
//
// 64-bit integers are JavaScript numbers: exact up to 2^53, rounded above. Enums are numbers. Unknown fields are
// skipped. A field of a oneof is written with type 'oneof X': no default is filled in, and it is written even when it
// equals its default, because which one is present is the information.

import { ProtoReader, ProtoWriter } from './wire.ts';

export type FieldTable = Readonly<Record<string, readonly [number: number, type: string]>>;
export type MessageTable = Readonly<Record<string, FieldTable>>;

interface ScalarTypes {
  string: string;
  bytes: Uint8Array;
  bool: boolean;
  int32: number;
  int64: number;
  uint32: number;
  uint64: number;
  double: number;
  enum: number;
}

type One<T extends MessageTable, X extends string, Mode> = X extends keyof ScalarTypes
  ? ScalarTypes[X]
  : X extends keyof T
    ? Mode extends 'init'
      ? Init<T, X>
      : Message<T, X>
    : never;

type Value<T extends MessageTable, X, Mode> = X extends `repeated ${infer E}`
  ? Mode extends 'init'
    ? readonly One<T, E, Mode>[]
    : One<T, E, Mode>[]
  : X extends `map<string,${infer E}>`
    ? Mode extends 'init'
      ? Readonly<Record<string, One<T, E, Mode>>>
      : Record<string, One<T, E, Mode>>
    : X extends `oneof ${infer E}`
      ? One<T, E, Mode>
      : X extends string
        ? One<T, X, Mode>
        : never;

type MaybeAbsent<T extends MessageTable, F extends FieldTable> = {
  [K in keyof F]: F[K][1] extends keyof T | `oneof ${string}` ? K : never;
}[keyof F];

/** What one may write: every field optional, at every depth. */
export type Init<T extends MessageTable, N extends keyof T> = {
  readonly [K in keyof T[N]]?: Value<T, T[N][K][1], 'init'> | undefined;
};

/** What one reads: scalars, lists and maps are always present, message fields may be undefined. */
export type Message<T extends MessageTable, N extends keyof T> = {
  [K in Exclude<keyof T[N], MaybeAbsent<T, T[N]>>]: Value<T, T[N][K][1], 'read'>;
} & {
  [K in MaybeAbsent<T, T[N]>]?: Value<T, T[N][K][1], 'read'> | undefined;
};

export interface MessageCodec<T extends MessageTable> {
  encode<N extends keyof T & string>(name: N, value: Init<T, N>): Uint8Array<ArrayBuffer>;
  /**
   * Throws a RangeError on truncated or malformed input. With `shared`, fields of bytes are parts of the input and not copies:
   * for who owns it, and does not keep a little of much.
   */
  decode<N extends keyof T & string>(name: N, bytes: Uint8Array, shared?: 'shared'): Message<T, N>;
  /** The message that decoding the encoded value would give, without the bytes: defaults filled in, deep copy. */
  create<N extends keyof T & string>(name: N, value: Init<T, N>): Message<T, N>;
}

type Scalar = keyof ScalarTypes;
type Shape = 'one' | 'repeated' | 'map' | 'oneof';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly shape: Shape;
  readonly scalar: Scalar | undefined; // undefined: a message
  readonly of: string; // name of the message, when not scalar
  readonly wire: number;
}

interface Plan {
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
}

const scalarWire: Record<Scalar, number> = {
  ...{ int32: 0, int64: 0, uint32: 0, uint64: 0, bool: 0, enum: 0 },
  ...{ double: 1, string: 2, bytes: 2 },
};
const noBytes = new Uint8Array(0);

function parseField(table: MessageTable, message: string, name: string): Field {
  const [number, type] = table[message]![name]!;
  const match = /^(?:(repeated|oneof) )?(?:map<string,(\w+)>|(\w+))$/.exec(type);
  const of = match?.[2] ?? match?.[3] ?? '';
  const scalar = Object.hasOwn(scalarWire, of) ? (of as Scalar) : undefined;
  if (!match || (!scalar && !table[of])) throw new TypeError(`${message}.${name}: unknown type ${type}`);
  const shape: Shape = match[2] ? 'map' : ((match[1] as Shape | undefined) ?? 'one');
  return { name, number, shape, scalar, of, wire: scalar ? scalarWire[scalar] : 2 };
}

/** Field types are checked when a message is first used: a wrong table throws a TypeError then. */
export function messageCodec<const T extends MessageTable>(table: T): MessageCodec<T> {
  const plans = new Map<string, Plan>();

  function planOf(name: string): Plan {
    let plan = plans.get(name);
    if (plan) return plan;
    if (!table[name]) throw new TypeError(`no message ${name} in the table`);
    const fields = Object.keys(table[name]).map((field) => parseField(table, name, field));
    plan = { fields, byNumber: new Map(fields.map((field) => [field.number, field])) };
    plans.set(name, plan);
    return plan;
  }

  function writeMessage(writer: ProtoWriter, name: string, value: any): void {
    for (const field of planOf(name).fields) {
      const content = value[field.name];
      if (content === undefined || content === null) continue;
      if (field.shape === 'repeated') writeList(writer, field, content);
      else if (field.shape === 'map') {
        for (const key of Object.keys(content)) {
          const mark = writer.beginMessage(field.number);
          if (key !== '') writer.tag(1, 2).string(key);
          writeOne(writer, field, 2, content[key], false);
          writer.endMessage(mark);
        }
      } else writeOne(writer, field, field.number, content, field.shape === 'oneof');
    }
  }

  function writeList(writer: ProtoWriter, field: Field, list: readonly any[]): void {
    if (list.length === 0) return;
    if (field.wire === 2) {
      for (const item of list) writeOne(writer, field, field.number, item, true);
      return;
    }
    const mark = writer.beginMessage(field.number); // packed, as proto3 writes scalars
    for (const item of list) writeScalar(writer, field.scalar!, item);
    writer.endMessage(mark);
  }

  function writeOne(writer: ProtoWriter, field: Field, number: number, value: any, always: boolean): void {
    const { scalar } = field;
    if (!scalar) {
      const mark = writer.beginMessage(number);
      writeMessage(writer, field.of, value);
      writer.endMessage(mark);
    } else if (always || !isZero(scalar, value)) {
      writer.tag(number, field.wire);
      writeScalar(writer, scalar, value);
    }
  }

  function readMessage(reader: ProtoReader, end: number, name: string): any {
    const { byNumber } = planOf(name);
    const message = empty(name);
    while (reader.position < end) {
      const tag = reader.uint32();
      const wire = tag & 7;
      const field = byNumber.get(tag >>> 3);
      if (!field) reader.skip(wire);
      else if (field.shape === 'repeated' && wire === 2 && field.wire !== 2) {
        const packedEnd = reader.lengthEnd();
        while (reader.position < packedEnd) message[field.name].push(readScalar(reader, field.scalar!));
      } else if (wire !== field.wire && field.shape !== 'map') {
        throw new RangeError(`${name}.${field.name}: wire type ${wire}`);
      } else if (field.shape === 'repeated') message[field.name].push(readOne(reader, field));
      else if (field.shape === 'map') readEntry(reader, field, message[field.name]);
      else message[field.name] = readOne(reader, field);
    }
    if (reader.position !== end) throw new RangeError(`${name}: a field runs past the end of its message`);
    return message;
  }

  function readOne(reader: ProtoReader, field: Field): any {
    return field.scalar
      ? readScalar(reader, field.scalar)
      : readMessage(reader, reader.lengthEnd(), field.of);
  }

  function readEntry(reader: ProtoReader, field: Field, map: Record<string, any>): void {
    const end = reader.lengthEnd();
    let key = '';
    let value: any = field.scalar ? zero(field.scalar) : undefined;
    while (reader.position < end) {
      const tag = reader.uint32();
      if (tag === 10) key = reader.string();
      else if (tag >>> 3 === 2) value = readOne(reader, field);
      else reader.skip(tag & 7);
    }
    // A key named __proto__ must become a property like any other.
    Object.defineProperty(map, key, {
      value: value ?? empty(field.of),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }

  function empty(name: string): any {
    const message: any = {};
    for (const { name: key, shape, scalar } of planOf(name).fields) {
      if (shape === 'repeated') message[key] = [];
      else if (shape === 'map') message[key] = {};
      else if (shape === 'one' && scalar) message[key] = zero(scalar);
    }
    return message;
  }

  function fill(name: string, value: any): any {
    const message = empty(name);
    for (const field of planOf(name).fields) {
      const content = value[field.name];
      if (content === undefined || content === null) continue;
      const one = (item: any) => (field.scalar ? item : fill(field.of, item));
      if (field.shape === 'repeated') message[field.name] = content.map(one);
      else if (field.shape === 'map') {
        message[field.name] = Object.fromEntries(
          Object.entries(content).map(([key, item]) => [key, one(item)]),
        );
      } else message[field.name] = one(content);
    }
    return message;
  }

  // One for all messages: memory of its own for each costs more than a small message.
  let kept: ProtoWriter | undefined = new ProtoWriter();
  return {
    encode(name, value) {
      const writer = kept ?? new ProtoWriter();
      kept = undefined; // until it is empty again: what a value's getter throws, or encodes, must not be in it
      writeMessage(writer, name, value);
      const bytes = writer.finish();
      kept = writer;
      return bytes;
    },
    decode(name, bytes, shared) {
      return readMessage(new ProtoReader(bytes, 0, Boolean(shared)), bytes.length, name);
    },
    create: (name, value) => fill(name, value),
  };
}

function zero(scalar: Scalar): string | boolean | number | Uint8Array {
  if (scalar === 'string') return '';
  if (scalar === 'bool') return false;
  return scalar === 'bytes' ? noBytes : 0;
}

function isZero(scalar: Scalar, value: any): boolean {
  if (scalar === 'bytes' || scalar === 'string') return value.length === 0;
  return value === false || Object.is(value, 0); // NaN and -0 are values
}

function writeScalar(writer: ProtoWriter, scalar: Scalar, value: any): void {
  if (scalar === 'string') writer.string(value);
  else if (scalar === 'bytes') writer.bytes(value);
  else if (scalar === 'bool') writer.uint32(value ? 1 : 0);
  else if (scalar === 'double') writer.double(value);
  else if (scalar === 'uint32') writer.uint32(value);
  else writer.int64(value); // a negative int32 or enum is written as ten bytes too
}

function readScalar(reader: ProtoReader, scalar: Scalar): any {
  if (scalar === 'string') return reader.string();
  if (scalar === 'bytes') return reader.bytes();
  if (scalar === 'bool') return reader.uint64() !== 0;
  if (scalar === 'double') return reader.double();
  if (scalar === 'uint32') return reader.uint32();
  if (scalar === 'uint64') return reader.uint64();
  return scalar === 'int64' ? reader.int64() : reader.int32();
}
