import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { field } from '../status.ts';
import { ruleErrors } from './rule-checks.ts';
import { validateRules } from './rules.ts';

const text = { type: 'string' };
const rules = (...list: (string | object)[]) => ({
  'x-kubernetes-validations': list.map((rule) => (typeof rule === 'string' ? { rule } : rule)),
});
const object = (properties: object, ...list: (string | object)[]): JSONSchema =>
  ({ type: 'object', properties, ...(list.length ? rules(...list) : {}) }) as JSONSchema;

const problemsOf = (schema: JSONSchema): string[] =>
  ruleErrors(object({ spec: schema }), field('schema')).map(({ field: at, message }) => `${at}: ${message}`);
const found = (schema: JSONSchema, spec: unknown, old?: unknown) => {
  const was = old === undefined ? undefined : { spec: old };
  return validateRules({ spec }, was, object({ spec: schema }), undefined);
};
const broken = (schema: JSONSchema, spec: unknown, old?: unknown): string[] =>
  found(schema, spec, old).errors.map(({ field: at, message }) => `${at}: ${message}`);
const SPEC = 'schema.properties[spec].x-kubernetes-validations[0]';

test('rules are compiled against the types of their schema', () => {
  const schema = object({ n: { type: 'integer' }, 'a-b': text, 'no name': text, kind: text }, "self.n > '1'");
  const [wrong, ...rest] = problemsOf(schema);
  assert.deepEqual(rest, []);
  assert.ok(
    wrong!.startsWith(`${SPEC}.rule: Invalid value: {"rule":"self.n > '1'"}: compilation failed: ERROR: `),
  );
  assert.match(wrong!, /<input>:1:8: found no matching overload for '_>_' applied to '\(int, string\)'/);
  assert.match(problemsOf(object({}, 'self.missing == 1'))[0]!, /undefined field 'missing'/);
  assert.match(
    problemsOf(object({}, 'object.x'))[0]!,
    /undeclared reference to 'object' \(in container ''\)/,
  );
  assert.match(problemsOf(object({ s: text }, 'self.s'))[0]!, /must evaluate to a bool/);
  assert.deepEqual(
    problemsOf(object({ 'a-b': text, 'x.y/z': text }, 'self.a__dash__b == self.x__dot__y__slash__z')),
    [],
  );
  const message = { rule: 'true', messageExpression: '1 + 1' };
  assert.match(
    problemsOf(object({}, message))[0]!,
    /messageExpression: Invalid value: .*must evaluate to a string/,
  );
});

test('rules that could cost too much are refused, with the way out', () => {
  const list = (items: object, more: object = {}) => ({ type: 'array', items, ...more });
  const nested = 'self.all(x, self.all(y, x.contains(y)))';
  const [wrong, total] = problemsOf({ ...list(text), ...rules(nested) } as JSONSchema);
  const how =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared';
  assert.equal(
    wrong,
    `${SPEC}.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (${how})`,
  );
  assert.match(
    total!,
    /contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema/,
  );
  const bounded = list({ ...text, maxLength: 10 }, { maxItems: 20, ...rules(nested) });
  assert.deepEqual(problemsOf(bounded as JSONSchema), []);
  // A rule counts as often as its place can occur.
  const within = list(object({ s: text }, 'self.s.contains("x")') as object);
  assert.match(problemsOf(within as JSONSchema)[0]!, /rule: Forbidden: estimated rule cost exceeds budget/);
  const few = list(object({ s: { ...text, maxLength: 50 } }, 'self.s.contains("x")') as object, {
    maxItems: 10,
  });
  assert.deepEqual(problemsOf(few as JSONSchema), []);
});

test('rules about the old value stand where there is one', () => {
  const immutable = rules('self == oldSelf');
  const list = (type: string | undefined) =>
    ({
      type: 'array',
      maxItems: 3,
      items: { ...text, maxLength: 5, ...immutable },
      'x-kubernetes-list-type': type,
    }) as never;
  assert.match(
    problemsOf(list('set'))[0]!,
    /oldSelf cannot be used on the uncorrelatable portion of the schema within schema\.properties\[spec\]/,
  );
  assert.match(
    problemsOf(object({}, { rule: 'true', optionalOldSelf: true }))[0]!,
    /optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule/,
  );
  const schema = object({ a: { ...text, ...rules({ rule: 'self == oldSelf', message: 'stays' }) } });
  assert.deepEqual(broken(schema, { a: '1' }), []);
  assert.deepEqual(broken(schema, { a: '2' }, { a: '1' }), ['spec.a: Invalid value: "2": stays']);
  assert.deepEqual(broken(schema, { a: '2' }, {}), []);
  const optional = { rule: 'oldSelf.hasValue() || self == "new"', optionalOldSelf: true };
  const begins = { ...text, ...rules(optional) } as JSONSchema;
  assert.equal(broken(begins, 'x').length, 1);
  assert.deepEqual(broken(begins, 'x', 'new'), []);
});

test('a failure says what its author wants: message, reason and field', () => {
  const schema = object(
    { a: { type: 'integer' }, b: text },
    {
      rule: 'self.a > 1',
      messageExpression: "'a is ' + string(self.a)",
      reason: 'FieldValueForbidden',
      fieldPath: '.a',
    },
    { rule: 'self.b != "x"', message: 'no x', messageExpression: "self.b == 'x' ? '' : 'y'" },
    { rule: 'self.b != "x" && self.a > 0', messageExpression: 'self.b + string(1 / 0)' },
  );
  assert.deepEqual(broken(schema, { a: 0, b: 'x' }), [
    'spec.a: Forbidden: a is 0',
    'spec: Invalid value: no x',
    'spec: Invalid value: failed rule: self.b != "x" && self.a > 0',
  ]);
});

test('what did not change is no reason to refuse', () => {
  const schema = object({ a: { ...text, ...rules("self == 'good'") }, b: text });
  const outcome = found(schema, { a: 'bad', b: '2' }, { a: 'bad', b: '1' });
  assert.deepEqual(outcome.errors, []);
  assert.match(outcome.tolerated[0]!.message, /failed rule: self == 'good'/);
  assert.equal(broken(schema, { a: 'worse', b: '2' }, { a: 'bad', b: '1' }).length, 1);
});

test('evaluation ends when an object has used up its budget', () => {
  const many = Array.from({ length: 2000 }, (_, i) => `${i}`);
  const schema = { type: 'array', items: text, ...rules('self.all(x, self.all(y, x != y || x == y))') };
  const began = Date.now();
  const [error] = broken(schema as never, many);
  assert.match(error!, /no further validation rules will be run due to call cost exceeds limit for rule/);
  const cheap = Array.from({ length: 40 }, (_, i) => `self.all(x, self.exists(y, x == y || ${i} == 0))`);
  const smaller = many.slice(0, 400);
  const errors = broken({ type: 'array', items: text, ...rules(...cheap) } as never, smaller);
  assert.match(
    errors.at(-1)!,
    /validation failed due to running out of cost budget, no further validation rules will be run/,
  );
  assert.ok(Date.now() - began < 10_000);
});
