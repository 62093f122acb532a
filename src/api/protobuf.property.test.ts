// Objects of every type go through protobuf and come back. What does not come back is what protobuf as Kubernetes writes it cannot
// say: see `normal`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkFields } from '../machinery/decode.ts';
import { openEnvelope } from '../machinery/protobuf/kubernetes.ts';
import { ProtoReader } from '../machinery/protobuf/wire.ts';
import { keepsZero } from '../machinery/protobuf/zero-values.ts';
import { type SchemaNode, schemaNode } from '../machinery/schema-node.ts';
import { drawFrom, randomObject, rootTypes } from '../testing/random-objects.ts';
import { typeFacts } from './facts.gen.ts';
import { protobuf } from './protobuf.ts';

const runs = Number(process.env.RUNS ?? 40);
const seed = Number(process.env.SEED ?? 20260102);

/**
 * The normal form of an object: what is left when it has been written as protobuf and read again.
 * - Empty lists and maps are gone, and so is null (in lists and maps of free JSON it stays).
 * - A zero (0, false, '') is gone where the field is optional and its zero means nothing: see zero-values.ts.
 * - Text is well-formed: half of a surrogate pair is U+FFFD.
 * - Messages stay (the list of verbs in discovery is one), even empty ones: `emptyDir: {}` says something.
 */
function normal(node: SchemaNode | undefined, value: any): any {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (!node || (node.shape === 'any' && !node.type.includes('JSONSchemaPropsOr'))) return value;
  if (Array.isArray(value)) return value.map((item) => normal(node.element ?? schemaOf(item), item));
  const struct = node.struct ?? schemaOf(value)?.struct;
  const entries = Object.entries(value).flatMap(([key, item]: [string, any]): [string, any][] => {
    if (!struct || node.shape === 'map') return [[key, normal(node.element, item)]];
    const child = struct.fields.get(key);
    const listed = !struct.schema.fields?.[key]?.p?.endsWith('.Verbs');
    if (item === null || (Array.isArray(item) && item.length === 0 && listed)) return [];
    if (child?.shape === 'map' && Object.keys(item).length === 0) return [];
    const zero = item === 0 || item === '' || item === false;
    if (zero && child?.shape === 'scalar' && child.scalar !== 'int-or-string' && child.scalar !== 'quantity')
      if (!keepsZero(typeFacts, struct.id, key)) return [];
    return [[key, normal(child, item)]];
  });
  return Object.fromEntries(entries);
}
const schemaOf = (value: unknown): SchemaNode | undefined =>
  typeof value === 'object' ? schemaNode(typeFacts, 'apiextensions.v1.JSONSchemaProps') : undefined;

const known = rootTypes.filter((id) => protobuf.knows(id) && id !== 'meta.v1.WatchEvent');

function roundTrip(id: string, object: any): { back: any; bytes: Uint8Array } {
  const bytes = protobuf.encode(object, id)!;
  const { apiVersion, kind, raw } = openEnvelope(bytes)!;
  return { back: { apiVersion, kind, ...protobuf.decode(raw, id) }, bytes };
}

// assert.deepEqual does not tell a key called __proto__ from the prototype.
const text = (value: unknown): string => JSON.stringify(sorted(value));
function sorted(value: any): any {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.keys(value)
    .sort()
    .map((key) => [key, sorted(value[key])]);
}

test(`every type comes back from protobuf in its normal form (SEED=${seed})`, () => {
  assert.ok(known.length > 130, `${known.length} types`);
  for (const id of known) {
    const node = schemaNode(typeFacts, id);
    fc.assert(
      fc.property(fc.integer(), (from) => {
        const object = randomObject(drawFrom(from), id);
        const { back, bytes } = roundTrip(id, object);
        assert.equal(text(back), text(normal(node, object)), id);
        assert.deepEqual(protobuf.encode(back, id), protobuf.encode(normal(node, object), id), id);
        // What has been through once does not change any more, and neither do its bytes.
        const again = roundTrip(id, back);
        assert.equal(text(again.back), text(back), id);
        assert.deepEqual(roundTrip(id, again.back).bytes, again.bytes, id);
        assert.ok(bytes.length >= again.bytes.length);
      }),
      { seed, numRuns: runs },
    );
  }
});

test('decoding finds nothing wrong with any object, and changes nothing of one in normal form', () => {
  for (const id of known) {
    const node = schemaNode(typeFacts, id);
    fc.assert(
      fc.property(fc.integer(), (from) => {
        const object = normal(node, randomObject(drawFrom(from), id));
        const before = text(object);
        assert.deepEqual(checkFields(object, id, typeFacts), { unknown: [], errors: [] }, id);
        assert.equal(text(object), before, id);
      }),
      { seed, numRuns: runs },
    );
  }
});

test('events of watches carry objects in full', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'), (from, type) => {
      const draw = drawFrom(from);
      const id = known[draw.upTo(known.length - 1)]!;
      const inner = protobuf.encode(randomObject(draw, id), id)!;
      const frame = protobuf.encodeWatchEvent(type, inner);
      assert.equal(new DataView(frame.buffer).getUint32(0), frame.length - 4);
      const reader = new ProtoReader(frame, 4);
      assert.equal(reader.uint32(), 10);
      assert.equal(reader.string(), type);
      assert.equal(reader.uint32(), 18);
      reader.lengthEnd();
      assert.equal(reader.uint32(), 10);
      assert.deepEqual(reader.bytes(), inner);
      assert.equal(reader.position, frame.length);
    }),
    { seed, numRuns: 200 },
  );
});

test('bytes that are no protobuf, or that of something else, are refused and nothing worse', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), (from, edits) => {
      const draw = drawFrom(from);
      const id = known[draw.upTo(known.length - 1)]!;
      const other = known[draw.upTo(known.length - 1)]!;
      const bytes = protobuf.encode(randomObject(draw, id), id)!;
      for (const [at, byte] of edits) bytes[4 + (at % (bytes.length - 4))] = byte;
      for (const type of [id, other]) {
        try {
          const { raw } = openEnvelope(bytes)!;
          JSON.stringify(protobuf.decode(raw, type));
        } catch (error) {
          const expected = error instanceof RangeError || (error as { code?: number }).code === 400;
          assert.ok(expected, String((error as Error).stack));
        }
      }
    }),
    { seed, numRuns: 3000 },
  );
});

test('messages in messages without end are refused before the stack is', () => {
  let schema: any = { type: 'object' };
  for (let i = 0; i < 500; i++) schema = { not: schema };
  const bytes = protobuf.encodeMessage(schema, 'apiextensions.v1.JSONSchemaProps');
  assert.throws(() => protobuf.decode(bytes, 'apiextensions.v1.JSONSchemaProps'), /nested deeper/);
});
