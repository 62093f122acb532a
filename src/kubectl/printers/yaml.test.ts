import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseYaml } from '../../machinery/yaml.ts';
import { compareKeys, goYaml } from './yaml.ts';

// Each was written so by kubectl itself.
const strings: [string, string][] = [
  ['plain', 'plain'],
  ['two words', 'two words'],
  ['', '""'],
  ['yes', '"yes"'],
  ['n', '"n"'],
  ['null', '"null"'],
  ['~', '"~"'],
  ['1', '"1"'],
  ['08', '"08"'],
  ['0x1f', '"0x1f"'],
  ['1_000', '"1_000"'],
  ['.5', '".5"'],
  ['1e3', '"1e3"'],
  ['1.2.3', '1.2.3'],
  ['10:20', '"10:20"'],
  ['2024-01-01', '"2024-01-01"'],
  ['2024-01-01T00:00:00Z', '"2024-01-01T00:00:00Z"'],
  ['<<', '<<'],
  ['- a', "'- a'"],
  ['-a', '-a'],
  ['a: b', "'a: b'"],
  ['a:b', 'a:b'],
  ['a #b', "'a #b'"],
  ["it's: so", "'it''s: so'"],
  ['[x]', "'[x]'"],
  [' edge ', "' edge '"],
  ['tab\there', '"tab\\there"'],
  ['\u{1f600}', '"\\U0001F600"'],
  ['日本', '日本'],
  ['a\nb', '|-\n  a\n  b'],
  ['a\nb\n', '|\n  a\n  b'],
  ['a\n\n', '|+\n  a\n'],
  ['\na', '|2-\n\n  a'],
  ['a \nb', '"a \\nb"'],
  [
    'a line that is long enough to be folded, because it has more than eighty characters in it, and more',
    'a line that is long enough to be folded, because it has more than eighty characters\n  in it, and more',
  ],
];

for (const [text, written] of strings) {
  test(JSON.stringify(text), () => assert.equal(goYaml({ key: text }), `key: ${written}\n`));
}

test('maps, lists, numbers', () => {
  const value = { b: [{ x: 1, y: [] }, 'two'], a: { c: null, d: true, e: 1.5, f: {} } };
  assert.equal(goYaml(value), 'a:\n  c: null\n  d: true\n  e: 1.5\n  f: {}\nb:\n- x: 1\n  "y": []\n- two\n');
});

test('keys come in natural order', () => {
  const keys = ['item10', 'item2', 'a-b', 'ab', 'A', '1', 'a.b'];
  assert.deepEqual(keys.sort(compareKeys), ['1', 'A', 'a-b', 'a.b', 'ab', 'item2', 'item10']);
});

test('what is written is read back the same', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: 'binary-ascii' }),
      fc.boolean(),
      fc.integer(),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('any'), { maxLength: 4 }),
    map: fc.dictionary(fc.string({ unit: 'grapheme-ascii', maxLength: 12 }), tie('any'), { maxKeys: 4 }),
  })).map;
  fc.assert(
    fc.property(value, (map) => {
      assert.deepEqual(parseYaml(goYaml({ map })), JSON.parse(JSON.stringify({ map })));
    }),
    { numRuns: 300, seed: 7 },
  );
});
