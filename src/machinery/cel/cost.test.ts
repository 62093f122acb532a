import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { declarationAt, declare } from '../structural/declaration.ts';
import { compileCel } from './compile.ts';
import { environment } from './environment.ts';
import { estimateCost } from './estimate.ts';
import { adapt, CelLimitError } from './values.ts';

const schema: JSONSchema = {
  type: 'object',
  properties: {
    n: { type: 'integer' },
    s: { type: 'string' },
    short: { type: 'string', maxLength: 10 },
    few: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 5 } },
    many: { type: 'array', items: { type: 'integer' } },
    map: { type: 'object', maxProperties: 4, additionalProperties: { type: 'integer' } },
    at: { type: 'string', format: 'date-time' },
  },
};
const self = {
  n: 1,
  s: 'abcdefghijklmnop',
  few: ['a', 'b', 'c'],
  many: [1, 2, 3, 4],
  map: { a: 1, b: 2 },
};

test('costs before and while an expression runs', () => {
  const declared = declare(schema, false)!;
  for (const [source, most, actual] of [
    ['self.n == 1', 2, 3],
    ['self.s == "abc"', 3, 3],
    ['self.s.startsWith("ab")', 3, 4],
    ['self.s.contains("ab")', 314575, 4],
    ['self.s.matches("[a-z]+")', 629148, 6],
    ['self.short.matches("[a-z]+")', 12, undefined],
    ['self.few.all(x, x == "a")', 53, 15],
    ['self.many.all(x, x > 0)', 7864318, 23],
    ['self.map.all(k, self.map[k] > 0)', 35, 17],
    ['self.many.map(x, x * 2).size() == 4', 22020097, 61],
    ['has(self.s) && self.s.size() > 3', 5, 5],
    ['self.n in [1, 2, 3]', 15, 2],
    ['self.n > 1 ? self.n : 0', 6, 4],
    ['[3, 1, 2].sort() == [1, 2, 3]', 50, 30],
    ['self.s.replace("a", "bb") == ""', 629148, 6],
  ] as const) {
    const program = compileCel(
      source.includes('? self') ? `(${source}) == 0` : source,
      environment({ self: declared.type }),
    );
    const { max } = estimateCost(program.checked!, (path) => {
      const at = declarationAt(declared, path);
      return at && { min: 0, max: at.most };
    });
    const budget = { left: 1_000_000 };
    if (actual !== undefined) program.evaluate({ self: adapt(self) }, budget);
    assert.deepEqual([max, actual && 1_000_000 - budget.left], [most, actual], source);
  }
});

test('a limit ends an evaluation, and nothing hides that', () => {
  const list = adapt(Array.from({ length: 1000 }, (_, i) => i));
  const declared = declare({ type: 'array', items: { type: 'integer' } }, false)!;
  for (const source of [
    'l.all(a, l.all(b, l.all(c, true)))',
    'l.exists(a, l.all(b, l.all(c, true))) || true',
  ])
    assert.throws(
      () => compileCel(source, environment({ l: declared.type })).evaluate({ l: list }),
      (error) => error instanceof CelLimitError && /actual cost limit exceeded/.test(error.message),
    );
});
