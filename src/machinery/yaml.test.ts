import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusError } from './status.ts';
import { parseFirstYaml, parseYaml } from './yaml.ts';

const scalars: [string, unknown][] = [
  ['1', 1],
  ['-1', -1],
  ['0', 0],
  ['1_000', 1000],
  ['017', 15],
  ['0o17', 15],
  ['-0o17', -15],
  ['08', 8],
  ['0x1F', 31],
  ['-0x1F', -31],
  ['0b11', 3],
  ['0B11', 3],
  ['0x_1F', 31],
  ['1e3_0', 1e30],
  ['.5', 0.5],
  ['-1.5', -1.5],
  ['1.', 1],
  ['1e3', 1000],
  ['1.5e-3', 0.0015],
  ['.', '.'],
  ['..', '..'],
  ['._', '._'],
  ['e5', 'e5'],
  ['.e5', '.e5'],
  ['+', '+'],
  ['0o', '0o'],
  ['0x', '0x'],
  ['12:30', '12:30'],
  ['22:22:22', '22:22:22'],
  ['1:30.5', '1:30.5'],
  ['1.2.3', '1.2.3'],
  ['10Mi', '10Mi'],
  ['2024-01-01', '2024-01-01'],
  ['yes', true],
  ['off', false],
  ['~', null],
  ['!!str 12', '12'],
  ['!!int "12"', 12],
];

for (const [text, value] of scalars) {
  test(`${text} is ${JSON.stringify(value)}`, () => {
    assert.deepEqual(parseYaml(`[${text}]`), [value]);
  });
}

test('what would cost too much, and numbers that JSON does not have, are refused early', () => {
  const began = performance.now();
  const refusals: [string, RegExp][] = [
    ['a: .inf', /unsupported value/],
    ['- '.repeat(30_000), /exceeded max depth/],
    [`a: ${'['.repeat(20_000)}`, /exceeded max depth/],
    [`${'[['.repeat(600)}${']]'.repeat(600)}`, /exceeded max depth/],
    ['a: &a [*a]', /./],
    [`a: &a ${'x'.repeat(100_000)}\nb: [${'*a,'.repeat(900)}]`, /excessive aliasing/],
    [Array.from({ length: 6000 }, (_, i) => `- &a${i} x\n- *a${i}`).join('\n'), /excessive aliasing/],
    [
      [
        'a0: &a0 [x,x,x,x,x,x,x,x,x]',
        ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`),
      ].join('\n'),
      /alias/i,
    ],
    [`a: ${'!!str '.repeat(10_000)}x`, /line 1/],
  ];
  for (const [text, why] of refusals)
    assert.throws(
      () => parseYaml(text),
      (error: StatusError) => error.code === 400 && why.test(error.message),
      text.slice(0, 40),
    );
  assert.deepEqual(parseFirstYaml(`${'---\n'.repeat(3)}a: 1\n${'---\n'.repeat(500_000)}`)?.value, { a: 1 });
  assert.ok(performance.now() - began < 10_000);
});
