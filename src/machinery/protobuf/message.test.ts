import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageCodec } from './message.ts';
import { ProtoReader, ProtoWriter } from './wire.ts';

const codec = messageCodec({
  Pet: {
    name: [1, 'string'],
    ages: [2, 'repeated int32'],
    tags: [3, 'map<string,string>'],
    owner: [4, 'Owner'],
    photo: [5, 'bytes'],
    weight: [6, 'double'],
    alive: [7, 'bool'],
    friends: [8, 'repeated Pet'],
    homes: [9, 'map<string,Owner>'],
    kind: [10, 'enum'],
    chip: [11, 'uint64'],
    count: [12, 'uint32'],
    nickname: [1000, 'oneof string'],
    words: [13, 'repeated string'],
  },
  Owner: { id: [1, 'int64'] },
  Older: { name: [1, 'string'] },
} as const);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('encodes as the specification shows', () => {
  assert.equal(hex(codec.encode('Owner', { id: 150 })), '089601');
  assert.equal(hex(codec.encode('Owner', { id: -2 })), '08feffffffffffffffff01');
  assert.equal(hex(codec.encode('Pet', { name: 'testing' })), '0a0774657374696e67');
  assert.equal(hex(codec.encode('Pet', { ages: [3, 270, 86942] })), '1206038e029ea705');
  assert.equal(hex(codec.encode('Pet', { owner: {} })), '2200');
  assert.equal(hex(codec.encode('Pet', { name: '', alive: false, weight: 0, nickname: '' })), 'c23e00');
});

test('fills in proto3 defaults, and only those', () => {
  const pet = codec.decode('Pet', new Uint8Array(0));
  assert.deepEqual(pet, {
    ...{ name: '', ages: [], tags: {}, photo: new Uint8Array(0), weight: 0, alive: false, friends: [] },
    ...{ homes: {}, kind: 0, chip: 0, count: 0, words: [] },
  });
  assert.equal('owner' in pet, false);
  assert.deepEqual(codec.create('Pet', { owner: {} }).owner, { id: 0 });
});

test('bytes are copies, or parts of the input for who shares it', () => {
  const input = codec.encode('Pet', { photo: new Uint8Array([1, 2, 3]), homes: { a: { id: 1 } } });
  const [copied, shared] = [codec.decode('Pet', input), codec.decode('Pet', input, 'shared')];
  assert.deepEqual(shared, copied);
  input.fill(9);
  assert.deepEqual([...copied.photo], [1, 2, 3]);
  assert.deepEqual([...shared.photo], [9, 9, 9]);
});

test('what was not encoded to its end leaves nothing in the next message', () => {
  assert.throws(() => codec.encode('Pet', { name: 'left over', words: 5 as never }), TypeError);
  assert.equal(hex(codec.encode('Owner', { id: 150 })), '089601');
  const large = { photo: new Uint8Array(3 << 20) };
  assert.deepEqual(codec.decode('Pet', codec.encode('Pet', large)).photo, large.photo);
  assert.equal(hex(codec.encode('Owner', { id: 150 })), '089601');
});

test('reads repeated scalars packed and unpacked, and skips unknown fields', () => {
  const unpacked = new ProtoWriter()
    .tag(2, 0)
    .uint32(3)
    .tag(2, 0)
    .int64(-1)
    .tag(99, 1)
    .double(1)
    .tag(98, 2)
    .string('?');
  assert.deepEqual(codec.decode('Pet', unpacked.finish()).ages, [3, -1]);
  assert.deepEqual(codec.decode('Older', codec.encode('Pet', { name: 'n', ages: [1], weight: 2 })), {
    name: 'n',
  });
});

test('throws on truncated and malformed input', () => {
  const bytes = codec.encode('Pet', { name: 'rex', owner: { id: 300 } });
  assert.throws(() => codec.decode('Pet', bytes.subarray(0, bytes.length - 1)), RangeError);
  assert.throws(() => codec.decode('Pet', new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])), RangeError);
  assert.throws(() => codec.decode('Pet', new Uint8Array([0x08, 1])), /wire type 0/);
  assert.throws(() => new ProtoReader(new Uint8Array(11).fill(0x80)).int64(), RangeError);
  assert.throws(() => messageCodec({ A: { b: [1, 'B'] } }).encode('A', {}), /unknown type B/);
});

test('nested lengths of one, two and three bytes are moved into place', () => {
  for (const size of [0, 63, 64, 127, 128, 16383, 16384, 70000]) {
    const name = 'é'.repeat(size);
    const friends = [{ name, friends: [{ name }] }];
    const back = codec.decode('Pet', codec.encode('Pet', { friends, count: 5 }));
    assert.equal(back.friends[0]!.friends[0]!.name, name);
    assert.equal(back.count, 5);
  }
});

test('a map key named __proto__ is a key', () => {
  const tags = JSON.parse('{"__proto__":"x","":"empty"}');
  assert.equal(JSON.stringify(codec.decode('Pet', codec.encode('Pet', { tags })).tags), JSON.stringify(tags));
});

test('what is encoded is decoded', () => {
  const safe = fc.maxSafeInteger();
  const text = fc.string({ unit: 'grapheme' });
  const pet = fc.record({
    name: text,
    ages: fc.array(fc.integer()),
    tags: fc.dictionary(text, text),
    owner: fc.option(fc.record({ id: safe }), { nil: undefined }),
    photo: fc.uint8Array(),
    weight: fc.double(),
    alive: fc.boolean(),
    kind: fc.nat(),
    chip: fc.maxSafeNat(),
    count: fc.nat(),
    homes: fc.dictionary(text, fc.record({ id: safe })),
    nickname: fc.option(text, { nil: undefined }),
    words: fc.array(text),
  });
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(pet, (value) => {
      const back = codec.decode('Pet', codec.encode('Pet', value));
      assert.deepEqual(plain(back), plain(codec.create('Pet', value)));
    }),
    { numRuns: 200 },
  );
});
