import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  milliValue,
  parseQuantity,
  quantityProblem,
  subtractQuantities,
} from './quantity.ts';

test('the canonical form loses nothing and takes the largest suffix', () => {
  const cases: Record<string, string> = {
    '100m': '100m',
    '0.5': '500m',
    '1e3': '1e3',
    '12E6': '12e6',
    '1000': '1k',
    '1024': '1024',
    '1024Ki': '1Mi',
    '1.5Gi': '1536Mi',
    '1Ki': '1Ki',
    '0.5Gi': '512Mi',
    '0.1Mi': '104857600m',
    '1E': '1E',
    '.5': '500m',
    '0.0000000001': '1n',
    '-1.5': '-1500m',
    '0': '0',
  };
  for (const [text, canonical] of Object.entries(cases))
    assert.equal(canonicalQuantity(text), canonical, text);
});

test('a text that is no quantity is told apart', () => {
  for (const text of ['', 'a', '1q', '1KI', '1..2', '--1', 'constructor'])
    assert.match(quantityProblem(text) ?? '', /quantit/, text);
  assert.match(quantityProblem('1kk') ?? '', /suffix/);
});

test('numbers, comparison and sums', () => {
  assert.equal(parseQuantity('1Gi'), 2 ** 30);
  assert.equal(milliValue('1500u'), 2);
  assert.equal(compareQuantity('1Gi', '1024Mi'), 0);
  assert.ok(compareQuantity('1', '1001m') < 0);
  assert.equal(addQuantities('1Gi', '512Mi'), '1536Mi');
  assert.equal(addQuantities('0', '512Mi'), '512Mi');
  assert.equal(subtractQuantities('1', '250m'), '750m');
  assert.equal(formatQuantity(2 ** 30, 'binary'), '1Gi');
});

test('canonical form is a fixed point and keeps the value', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-3'),
      (n, suffix) => {
        const canonical = canonicalQuantity(`${n}${suffix}`);
        assert.equal(canonicalQuantity(canonical), canonical);
        assert.equal(compareQuantity(canonical, `${n}${suffix}`), 0);
      },
    ),
  );
});
