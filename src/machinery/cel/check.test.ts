import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from './compile.ts';
import { environment } from './environment.ts';
import { CelSyntaxError } from './syntax.ts';
import {
  type CelType,
  dynType,
  intType,
  listType,
  mapType,
  optionalType,
  stringType,
  structType,
  typeText,
} from './types.ts';

const fields: Record<string, CelType> = {
  name: stringType,
  count: intType,
  list: listType(stringType),
  labels: mapType(stringType, stringType),
  any: dynType,
  a__dash__b: intType,
  __namespace__: stringType,
};
const self = structType('Self', (name) => fields[name]);
const within = environment({ self, old: optionalType(self), d: dynType });

const typeOf = (source: string): string => typeText(compileCel(source, within).output!);
function wrong(source: string, ...messages: string[]): void {
  assert.throws(
    () => compileCel(source, within),
    (error) => {
      assert.ok(error instanceof CelSyntaxError, String(error));
      assert.deepEqual(
        error.issues.map(({ message }) => message),
        messages,
      );
      return true;
    },
    source,
  );
}

test('every expression has a type', () => {
  for (const [source, type] of [
    ['1 + 2', 'int'],
    ['self.name + "x"', 'string'],
    ['self.any', 'dyn'],
    ['self.any + 1', 'int'],
    ['self.any + self.any', 'dyn'],
    ['self.list.map(x, x.size())', 'list(int)'],
    ['self.list.filter(x, x != "")', 'list(string)'],
    ['self.labels.transformMap(k, v, v.size())', 'map(string, int)'],
    ['self.list.exists(i, x, i > 0 && x == "a")', 'bool'],
    ['[]', 'list(dyn)'],
    ['{"a": [1]}', 'map(string, list(int))'],
    ['self.?name', 'optional_type(string)'],
    ['old.name', 'optional_type(string)'],
    ['old.?labels["x"].orValue("y")', 'string'],
    ['old.optMap(o, o.count + 1)', 'optional_type(int)'],
    ['has(self.name) ? 1 : 2', 'int'],
    ['self.a__dash__b + self.count', 'int'],
    ['self.namespace + self.__namespace__', 'string'],
    ['quantity("1").add(1)', 'kubernetes.Quantity'],
    ['ip("::1")', 'net.IP'],
    ['type(1)', 'type(int)'],
    ['timestamp("2024-01-01T00:00:00Z") - duration("1h")', 'timestamp'],
    ['[3, 1].sortBy(x, -x)', 'list(int)'],
    ['url("https://x").getQuery()["a"]', 'list(string)'],
    ['"%s %d".format(["a", 1])', 'string'],
  ] as const)
    assert.equal(typeOf(source), type, source);
});

test('what does not fit is named with its types', () => {
  wrong('x', "undeclared reference to 'x' (in container '')");
  wrong('f(1)', "undeclared reference to 'f' (in container '')");
  wrong('1 + "a"', "found no matching overload for '_+_' applied to '(int, string)'");
  wrong('self.name.startsWith(1)', "found no matching overload for 'startsWith' applied to 'string.(int)'");
  wrong('self.nam', "undefined field 'nam'");
  wrong('self.count.x', "type 'int' does not support field selection");
  wrong(
    'self.count.all(x, true)',
    "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
  );
  wrong('self.name && true', "expected type 'bool' but found 'string'");
  wrong('[1, "a"]', "expected type 'int' but found 'string'");
  wrong(
    'self.name == 1 || y',
    "found no matching overload for '_==_' applied to '(string, int)'",
    "undeclared reference to 'y' (in container '')",
  );
  wrong('duration("x") > duration("1s")', 'invalid duration argument');
  wrong('timestamp("now") == timestamp(0)', 'invalid timestamp argument');
  wrong('self.name.matches("(")', 'invalid matches argument');
  wrong('Self{}', "undeclared reference to 'Self' (in container '')");
  wrong(
    'cel.bind(x, 1, x)',
    "undeclared reference to 'cel' (in container '')",
    "undeclared reference to 'bind' (in container '')",
    "undeclared reference to 'x' (in container '')",
    "undeclared reference to 'x' (in container '')",
  );
});

test('messages show the place', () => {
  assert.throws(
    () => compileCel('self.name ==\n  "é" + 1', within),
    (error: Error) => {
      assert.equal(
        error.message,
        `ERROR: <input>:2:7: found no matching overload for '_+_' applied to '(string, int)'\n |   "é" + 1\n | ...．..^`,
      );
      return true;
    },
  );
});
