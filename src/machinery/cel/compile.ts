import { functions } from './library.ts';
import { macros } from './macros.ts';
import {
  add,
  celCompare,
  celEqual,
  divide,
  isIn,
  modulo,
  multiply,
  negate,
  noOverload,
  subtract,
} from './operators.ts';
import { parse, typeName } from './parse.ts';
import type { Budget, Library } from './scope.ts';
import { type Compiler, type Evaluator, field, optionalField, type Scope, spend, truth } from './scope.ts';
import { CelSyntaxError, type Node } from './syntax.ts';
import { CelError, isMap, MapValue, Optional, TypeValue, Uint, type Value } from './values.ts';

export interface CelProgram {
  readonly source: string;
  /** Names that the expression uses and does not bind itself. */
  readonly names: ReadonlySet<string>;
  /** Throws CelError. */
  evaluate(variables: Record<string, Value>, budget?: Budget): Value;
}

const COST_LIMIT = 10_000_000;

const types: Record<string, TypeValue> = Object.fromEntries(
  [
    'bool',
    'bytes',
    'double',
    'int',
    'list',
    'map',
    'null_type',
    'string',
    'type',
    'uint',
    'optional_type',
  ].map((name) => [name, new TypeValue(name)]),
);
types['google.protobuf.Timestamp'] = new TypeValue('google.protobuf.Timestamp');
types['google.protobuf.Duration'] = new TypeValue('google.protobuf.Duration');

/**
 * Compiles an expression. Libraries beyond the standard one come as `more`: functions by name.
 * Throws CelSyntaxError, with a message that shows the place as cel-go shows it.
 */
export function compileCel(source: string, more: Library = {}): CelProgram {
  let root: Node;
  const names = new Set<string>();
  let evaluator: Evaluator;
  try {
    root = parse(source);
    const library = { ...functions, ...more };
    evaluator = compiler(library, names).compile(root);
  } catch (error) {
    if (error instanceof CelSyntaxError) throw new CelSyntaxError(withPlace(source, error), error.position);
    throw error;
  }
  return {
    source,
    names,
    evaluate(variables, budget = { left: COST_LIMIT }) {
      const scope: Scope = {
        budget,
        lookUp: (name) => (Object.hasOwn(variables, name) ? variables[name] : types[name]),
      };
      return evaluator(scope);
    },
  };
}

/** `ERROR: <input>:1:5: Syntax error: ...`, the line, and a mark under the place. */
function withPlace(source: string, { message, position }: CelSyntaxError): string {
  const before = source.slice(0, position).split('\n');
  const column = before.at(-1)!.length;
  const line = source.split('\n')[before.length - 1] ?? '';
  return `ERROR: <input>:${before.length}:${column + 1}: ${message}\n | ${line}\n | ${'.'.repeat(column)}^`;
}

function compiler(library: Library, names: Set<string>): Compiler {
  const self: Compiler = { compile };

  function compile(node: Node): Evaluator {
    switch (node.kind) {
      case 'literal': {
        const value: Value =
          typeof node.value === 'object' && node.value !== null && 'uint' in node.value
            ? new Uint(node.value.uint)
            : (node.value as Value);
        return () => value;
      }
      case 'name':
        return compileName(node.name);
      case 'select':
        return compileSelect(node);
      case 'index':
        return compileIndex(node);
      case 'list':
        return compileList(node);
      case 'map':
        return compileMap(node);
      case 'message':
        return compileMessage(node);
      case 'call':
        return compileCall(node);
    }
  }

  function compileName(name: string): Evaluator {
    names.add(name);
    return (scope) => {
      const value = scope.lookUp(name);
      if (value === undefined) throw new CelError(`undeclared reference to '${name}'`);
      return value;
    };
  }

  function compileSelect(node: Node & { kind: 'select' }): Evaluator {
    const { name, optional } = node;
    const dotted = typeName(node);
    if (dotted && types[dotted]) return () => types[dotted]!;
    const of = compile(node.of);
    return (scope) => {
      spend(scope.budget, 1);
      const target = of(scope);
      return optional ? optionalField(target, name) : field(target, name);
    };
  }

  function compileIndex({ of, index, optional }: Node & { kind: 'index' }): Evaluator {
    const target = compile(of);
    const key = compile(index);
    return (scope) => {
      spend(scope.budget, 1);
      const container = target(scope);
      return optional ? optionalItem(container, key(scope)) : item(container, key(scope));
    };
  }

  function compileList({ items }: Node & { kind: 'list' }): Evaluator {
    const parts = items.map(({ value, optional }) => ({ of: compile(value), optional }));
    return (scope) => {
      spend(scope.budget, 10);
      const result: Value[] = [];
      for (const { of, optional } of parts) {
        const value = of(scope);
        if (!optional) result.push(value);
        else if (!(value instanceof Optional)) throw noOverload('[?]', value);
        else if (value.value !== undefined) result.push(value.value);
      }
      return result;
    };
  }

  function compileMap({ entries }: Node & { kind: 'map' }): Evaluator {
    const parts = entries.map(({ key, value, optional }) => ({
      key: compile(key),
      of: compile(value),
      optional,
    }));
    return (scope) => {
      spend(scope.budget, 30);
      const result: [Value, Value][] = [];
      for (const { key, of, optional } of parts) {
        const value = of(scope);
        if (!optional) result.push([key(scope), value]);
        else if (value instanceof Optional && value.value !== undefined)
          result.push([key(scope), value.value]);
      }
      const map = new MapValue(result);
      if (map.size < result.length) throw new CelError('duplicate key in map literal');
      return map;
    };
  }

  function compileMessage({ type, fields }: Node & { kind: 'message' }): Evaluator {
    const parts = fields.map(({ name, value, optional }) => ({ name, of: compile(value), optional }));
    return (scope) => {
      spend(scope.budget, 40);
      const entries: [Value, Value][] = [];
      for (const { name, of, optional } of parts) {
        const value = of(scope);
        if (!optional) entries.push([name, value]);
        else if (value instanceof Optional && value.value !== undefined) entries.push([name, value.value]);
      }
      return new MapValue(entries, type);
    };
  }

  function compileCall(node: Node & { kind: 'call' }): Evaluator {
    const special = operators[node.name];
    if (special && !node.target) return special(node.args.map(compile));
    const expand = macros[node.name];
    if (expand) {
      const expanded = expand(node, self, names);
      if (expanded) return expanded;
    }
    // `optional.of(x)`: a function of a namespace, not of a value.
    const space = node.target && typeName(node.target);
    const global = space && library[`${space}.${node.name}`];
    const target = node.target && !global ? compile(node.target) : undefined;
    const args = node.args.map(compile);
    const call = global || library[node.name];
    if (!call) throw new CelSyntaxError(`undeclared reference to '${node.name}' (in container '')`, node.at);
    return (scope) => {
      spend(scope.budget, 1);
      const values = target ? [target(scope)] : [];
      for (const arg of args) values.push(arg(scope));
      return call(values, target !== undefined, scope.budget);
    };
  }

  return self;
}

function item(container: Value, key: Value): Value {
  if (container instanceof Optional) return optionalItem(container, key);
  const value = find(container, key);
  if (value === undefined)
    throw new CelError(
      Array.isArray(container) ? `index out of bounds: ${String(key)}` : `no such key: ${String(key)}`,
    );
  return value;
}

function optionalItem(container: Value, key: Value): Value {
  const of = container instanceof Optional ? container.value : container;
  return new Optional(of === undefined || of === null ? undefined : find(of, key));
}

function find(container: Value, key: Value): Value | undefined {
  if (Array.isArray(container)) {
    const index = key instanceof Uint ? key.value : key;
    if (typeof index !== 'bigint' && !(typeof index === 'number' && Number.isInteger(index)))
      throw noOverload('_[_]', container, key);
    return container[Number(index)];
  }
  if (typeof container === 'object' && container !== null && isMap(container)) return container.get(key);
  throw noOverload('_[_]', container, key);
}

type Operator = (args: Evaluator[]) => Evaluator;
const binary =
  (apply: (a: Value, b: Value) => Value): Operator =>
  ([left, right]) =>
  (scope) => {
    spend(scope.budget, 1);
    return apply(left!(scope), right!(scope));
  };
const ordered = (name: string, holds: (order: number) => boolean): Operator =>
  binary((a, b) => holds(celCompare(a, b, name)));

/** `||` and `&&` do not care about the order: what decides on one side hides an error on the other. */
const logic =
  (name: string, decides: boolean): Operator =>
  ([left, right]) =>
  (scope) => {
    let first: unknown;
    try {
      if (truth(left!(scope), name) === decides) return decides;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      first = error;
    }
    if (truth(right!(scope), name) === decides) return decides;
    if (first) throw first;
    return !decides;
  };

const operators: Record<string, Operator> = {
  '_||_': logic('_||_', true),
  '_&&_': logic('_&&_', false),
  '_?_:_':
    ([condition, yes, no]) =>
    (scope) =>
      truth(condition!(scope), '_?_:_') ? yes!(scope) : no!(scope),
  '!_':
    ([operand]) =>
    (scope) =>
      !truth(operand!(scope), '!_'),
  '-_':
    ([operand]) =>
    (scope) =>
      negate(operand!(scope)),
  '_==_': binary(celEqual),
  '_!=_': binary((a, b) => !celEqual(a, b)),
  '_<_': ordered('_<_', (order) => order < 0),
  '_<=_': ordered('_<=_', (order) => order <= 0),
  '_>_': ordered('_>_', (order) => order > 0),
  '_>=_': ordered('_>=_', (order) => order >= 0),
  '_+_': binary(add),
  '_-_': binary(subtract),
  '_*_': binary(multiply),
  '_/_': binary(divide),
  '_%_': binary(modulo),
  '@in': binary(isIn),
};
