// Expressions that mean harm: they end soon, with an error that says why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from './compile.ts';
import { environment } from './environment.ts';
import { estimateCost } from './estimate.ts';
import { CelSyntaxError } from './syntax.ts';
import { dynType } from './types.ts';
import { CelError, CelLimitError, type Value } from './values.ts';

const within = environment({ s: dynType });

/** Runs it, and demands that it takes no longer than a second or so on a slow machine. */
function soon<T>(run: () => T): T {
  const began = performance.now();
  try {
    return run();
  } finally {
    const ms = performance.now() - began;
    assert.ok(ms < 1500, `took ${Math.round(ms)} ms`);
  }
}
const evaluate = (source: string, s: Value = '') => soon(() => compileCel(source, within).evaluate({ s }));
const refuses = (source: string, message: RegExp) =>
  soon(() =>
    assert.throws(
      () => compileCel(source, within),
      (error: Error) => error instanceof CelSyntaxError && message.test(error.message),
    ),
  );
const fails = (source: string, kind: typeof CelError, s?: Value) =>
  assert.throws(
    () => evaluate(source, s),
    (error) => error instanceof kind,
    source.slice(0, 100),
  );

test('deep nesting', () => {
  const limit = /expression recursion limit exceeded: 250/;
  refuses(`${'('.repeat(5000)}1${')'.repeat(5000)}`, limit);
  refuses(`${'['.repeat(300)}${']'.repeat(300)}`, limit);
  refuses(`1${' + 1'.repeat(300)}`, limit);
  refuses(`s${'.a'.repeat(300)}`, limit);
  refuses(`${'true ? 1 : '.repeat(300)}2`, limit);
  refuses(`${'size('.repeat(300)}s${')'.repeat(300)}`, limit);
  assert.equal(evaluate(`${'!'.repeat(20_001)}false`), true);
  assert.equal(evaluate(`${'('.repeat(200)}1${')'.repeat(200)}`), 1n);
});

test('length', () => {
  refuses(`'${'x'.repeat(100_001)}'`, /expression code point size exceeds limit: size: 100003, limit 100000/);
  assert.equal(evaluate(`true${' && true'.repeat(12_000)}`), true);
  const list = `[${'1, '.repeat(30_000)}1]`;
  assert.equal(evaluate(`${list}.size()`), 30_001n);
  refuses('[1, "a"]'.repeat(1) + ' + x'.repeat(240), /undeclared reference/);
  refuses(`[${'x, '.repeat(20_000)}x]`, /19901 more errors were truncated/);
});

test('patterns', () => {
  const text = 'a'.repeat(50_000);
  assert.equal(evaluate("s.matches('^(a+)+$')", text), true);
  assert.equal(evaluate("s.matches('^(a|a)*b$')", text), false);
  assert.equal(evaluate("s.matches('(a*)*(a*)*(a*)*b')", 'a'.repeat(5000)), false);
  refuses("s.matches('((a{100}){100}){100}')", /invalid matches argument/);
  fails("s.matches('((a{100}){100}){1' + '00}')", CelError, 'a');
});

test('cost bombs', () => {
  const range = 'lists.range(1000)';
  fails(`${range}.map(a, ${range}.map(b, ${range}.map(c, a * b * c)))`, CelLimitError);
  fails(`lists.range(1000000000)`, CelLimitError);
  fails(`${range}.map(x, ${range}).flatten().distinct()`, CelLimitError);
  fails(`['${'x'.repeat(1000)}'].map(a, a + a).map(a, a + a)${'.map(a, a + a)'.repeat(20)}`, CelLimitError);
  fails(`s.split('').map(a, s.split(''))`, CelLimitError, 'x'.repeat(5000));
  fails(`s.replace('', s).replace('', s).replace('', s)`, CelLimitError, 'x'.repeat(4000));
});

test('what a macro uses twice is looked at once', () => {
  const chain = `optional.of(1)${'.optMap(x, x)'.repeat(60)}`;
  const program = soon(() => compileCel(`${chain}.hasValue()`, within));
  assert.ok(soon(() => estimateCost(program.checked!, () => undefined)).max > 1e15);
  assert.throws(() => soon(() => program.evaluate({})), CelLimitError);
});
