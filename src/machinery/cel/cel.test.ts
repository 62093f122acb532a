import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaTable } from '../schema.ts';
import { schemaNode } from '../schema-node.ts';
import { compileCel, compileUnchecked } from './compile.ts';
import { environment } from './environment.ts';
import { CelSyntaxError } from './syntax.ts';
import { dynType } from './types.ts';
import { adapt, CelError, toJson } from './values.ts';

const dynamic = (names: string[]) => environment(Object.fromEntries(names.map((name) => [name, dynType])));
const run = (source: string, variables: any = {}) =>
  toJson(
    compileCel(source, dynamic(Object.keys(variables))).evaluate(
      Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, adapt(value)])),
    ),
  );
const isTrue = (source: string, variables?: any) => assert.equal(run(source, variables), true, source);
const fails = (source: string, message: RegExp, variables?: any) =>
  assert.throws(
    () => run(source, variables),
    (error: Error) => error instanceof CelError && message.test(error.message),
    source,
  );

test('literals, arithmetic, comparison', () => {
  for (const source of [
    '1 + 2 * 3 == 7',
    '-(2) + 5 == 3',
    '7 / 2 == 3',
    '-7 % 3 == -1',
    '1.5 * 2.0 == 3.0',
    '1 == dyn(1.0)',
    '1u + 2u == 3u',
    '2 < 2.5',
    "'a' + \"b\" == 'ab'",
    'b"\\x01a" == b"\\001a"',
    "r'\\n' == '\\\\n'",
    '"""a\nb""" == "a\\nb"',
    "'\\u00e9' == 'é'",
    '[1, 2] + [3] == [1, 2, 3]',
    "{'a': 1, 'b': 2}.b == 2",
    '!false && true || false',
    'true ? 1 == 1 : false',
    '-9223372036854775808 < 0',
    '0x10 == 16',
    "1 in [1, 2] && !('x' in {'y': 1})",
    "'a' < 'b'",
    'null == null',
    'type(1) == int',
    "size('é') == 1 && size([1]) == 1 && [1].size() == 1",
  ])
    isTrue(source);
  fails('9223372036854775807 + 1', /overflow/);
  fails('1 / 0', /division by zero/);
  fails("1 + dyn('a')", /no such overload/);
  fails('[1][5]', /out of bounds/);
  fails("{'a': 1}.b", /no such key: b/);
});

test('logic hides errors that do not matter', () => {
  isTrue('1 / 0 == 1 || true');
  isTrue('!(1 / 0 == 1 && false)');
  isTrue('[1, 0].exists(x, 1 / x == 1)');
  fails('1 / 0 == 1 || false', /division/);
  fails('[0].all(x, 1 / x == 1)', /division/);
});

test('macros', () => {
  for (const source of [
    '[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x == 2)',
    "{'a': 1}.all(k, k == 'a')",
    '[1, 2, 3].filter(x, x > 1) == [2, 3]',
    '[1, 2].map(x, x * 2) == [2, 4]',
    '[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]',
    "has({'a': 1}.a) && !has({'a': 1}.b)",
    '[[1], [2]].all(x, x.all(y, y > 0))',
    "['a', 'b'].transformList(i, v, string(i) + v) == ['0a', '1b']",
    "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
    "['a'].transformMapEntry(i, v, {v: i}) == {'a': 0}",
    '[1, 2].all(i, v, v == i + 1)',
    '[1, 2].existsOne(i, v, v == 2)',
  ])
    isTrue(source);
});

test('optionals', () => {
  for (const source of [
    "{'a': 1}.?a.orValue(0) == 1",
    "{'a': 1}.?b.orValue(7) == 7",
    "!{'a': 1}.?b.hasValue()",
    "{'a': {'b': 2}}.?a.?b.value() == 2",
    'optional.of(1).optMap(x, x + 1).value() == 2',
    'optional.none().or(optional.of(3)).value() == 3',
    '[?optional.none(), ?optional.of(1)] == [1]',
    "{?'a': optional.none(), 'b': 1} == {'b': 1}",
    '[1, 2][?5].orValue(9) == 9',
    '!optional.ofNonZeroValue(0).hasValue()',
  ])
    isTrue(source);
});

test('text', () => {
  for (const source of [
    "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')",
    "'abc123'.matches('[a-z]+[0-9]+$')",
    "'tacocat'.indexOf('a') == 1 && 'tacocat'.lastIndexOf('a') == 5",
    "'A b'.lowerAscii() == 'a b'",
    "'a,b,c'.split(',', 2) == ['a', 'b,c']",
    "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
    "'tacocat'.substring(0, 4) == 'taco'",
    "'  x '.trim() == 'x'",
    "['a', 'b'].join('-') == 'a-b'",
    "'%s is %d and %.2f %x'.format(['a', 1, 1.5, 255]) == 'a is 1 and 1.50 ff'",
    "'abc 123'.find('[0-9]+') == '123'",
    "'1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
    "'abc'.charAt(1) == 'b'",
    "string(1.5) == '1.5' && string(true) == 'true'",
    "int('12') + int(3.7) == 15",
  ])
    isTrue(source);
});

test('time', () => {
  for (const source of [
    "timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026",
    "timestamp('2026-01-02T23:04:05Z').getDate('+02:00') == 3",
    "timestamp('2026-01-01T00:00:00Z') + duration('1h30m') == timestamp('2026-01-01T01:30:00Z')",
    "duration('90s') == duration('1m30s')",
    "string(duration('1.5s')) == '1.5s'",
    "timestamp('2026-01-01T00:00:00Z').getHours('America/New_York') == 19",
    "duration('3h').getMinutes() == 180",
    "string(timestamp('2026-01-01T00:00:00.5Z')) == '2026-01-01T00:00:00.5Z'",
  ])
    isTrue(source);
});

test("Kubernetes' libraries", () => {
  for (const source of [
    "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('1').add(quantity('500m')) == quantity('1.5')",
    "isQuantity('1k') && !isQuantity('x')",
    "quantity('2k').asInteger() == 2000 && quantity('1').sub(2).sign() == -1",
    "ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && !isIP('x') && ip.isCanonical('::1')",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
    "url('https://example.com:80/a?b=c').getHost() == 'example.com:80' && url('/x?a=1').getQuery() == {'a': ['1']} && isURL('https://x') && !isURL('x')",
    "[1, 3, 2].max() == 3 && [1, 2].sum() == 3 && [1, 2].isSorted() && ['a', 'b'].indexOf('b') == 1",
    'sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])',
    "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('v1.2', true).minor() == 2 && !isSemver('1.2')",
    "!format.dns1123Label().validate('my-name').hasValue() && format.named('dns1123Label').value().validate('A').value().size() == 1",
  ])
    isTrue(source);
});

test('JSON seen through a schema: times are times, numbers what they are, escaped names', () => {
  const schemas: SchemaTable = {
    Root: {
      fields: {
        at: { t: 'meta.v1.Time' },
        ratio: { t: 'number:double' },
        'a-b': { t: 'integer' },
        map: { t: ['map', 'string'] },
      },
    },
  };
  const self = adapt(
    { at: '2026-01-02T03:04:05Z', ratio: 2, 'a-b': 1, map: { 'x/y': 'z' }, namespace: 'n' },
    schemaNode(schemas, 'Root'),
  );
  const check = (source: string) => assert.equal(compileCel(source).evaluate({ self }), true, source);
  check("self.at < timestamp('2027-01-01T00:00:00Z')");
  check('type(self.ratio) == double');
  check("self.a__dash__b == 1 && self.map['x/y'] == 'z' && self.__namespace__ == 'n'");
});

test('what cannot be read is a syntax error with its place', () => {
  for (const source of [
    '1 +',
    'a b',
    '(1',
    "'x",
    '[1, 2',
    'f(',
    '1 ? 2',
    'unknownFunction(1)',
    'has(a)',
    'var',
    '1 | 2',
  ])
    assert.throws(() => compileCel(source, dynamic(['a'])), CelSyntaxError, source);
  assert.throws(
    () => compileCel('1 +'),
    /^.*ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting \{'\[', .*\}\n \| 1 \+\n \| \.\.\.\^/s,
  );
});

test('names that an expression needs, and messages that it makes', () => {
  assert.deepEqual(
    [...compileCel('object.spec.x > params.y && [1].all(i, i > 0)', dynamic(['object', 'params'])).names],
    ['object', 'params'],
  );
  const made = compileUnchecked("Object{spec: Object.spec{replicas: 3, template: {'a': 'b'}}}").evaluate({});
  assert.deepEqual(toJson(made), { spec: { replicas: 3, template: { a: 'b' } } });
});

test('an evaluation has a limit', () => {
  const list = Array.from({ length: 1000 }, (_, i) => i);
  assert.throws(
    () => compileCel('l.all(a, l.all(b, l.all(c, true)))').evaluate({ l: adapt(list) }),
    /cost limit exceeded/,
  );
});
