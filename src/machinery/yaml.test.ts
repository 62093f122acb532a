import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from './yaml.ts';

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
  ['.inf', Number.POSITIVE_INFINITY],
  ['!!str 12', '12'],
  ['!!int "12"', 12],
];

for (const [text, value] of scalars) {
  test(`${text} is ${JSON.stringify(value)}`, () => {
    assert.deepEqual(parseYaml(`[${text}]`), [value]);
  });
}
