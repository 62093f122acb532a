// Macros: what looks like a call, but binds variables or leaves arguments unevaluated.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros

import { noOverload } from './operators.ts';
import { Binding, type Compiler, type Evaluator, optionalField, type Scope, spend, truth } from './scope.ts';
import { CelSyntaxError, type Node } from './syntax.ts';
import { CelError, isMap, MapValue, Optional, type Value } from './values.ts';

type Call = Node & { kind: 'call' };
/** Undefined when the call is no macro after all: `list.map` with one argument, say. */
export type Macro = (call: Call, compiler: Compiler, names: Set<string>) => Evaluator | undefined;

const variable = (node: Node): string => {
  if (node.kind !== 'name') throw new CelSyntaxError('argument must be a simple name', node.at);
  return node.name;
};

/** Compiles with variables bound; they do not count among the names of the expression. */
function within(compiler: Compiler, names: Set<string>, bound: string[], node: Node): Evaluator {
  const known = bound.filter((name) => names.has(name));
  const result = compiler.compile(node);
  for (const name of bound) if (!known.includes(name)) names.delete(name);
  return result;
}

/** What one walks over: the elements of a list with their places, the entries of a map. */
function entriesOf(target: Value, name: string): [Value, Value][] {
  if (Array.isArray(target)) return target.map((value, i) => [BigInt(i), value]);
  if (typeof target === 'object' && target !== null && isMap(target))
    return target.keys().map((key) => [key, target.get(key)!]);
  throw noOverload(name, target);
}

interface Walk {
  /** Called for each element, with its variables bound in `scope`. */
  each(scope: Scope, key: Value, value: Value): void;
  stop?(): boolean;
}

/** Runs over the range of a call, with one variable (element, or key of a map) or two (place and element). */
function walk(call: Call, compiler: Compiler, two: boolean) {
  const range = compiler.compile(call.target!);
  const first = variable(call.args[0]!);
  const second = two ? variable(call.args[1]!) : undefined;
  return {
    bound: second ? [first, second] : [first],
    run(scope: Scope, { each, stop }: Walk): void {
      const target = range(scope);
      const outer = new Binding(first, scope);
      const inner = second ? new Binding(second, outer) : outer;
      for (const [key, value] of entriesOf(target, call.name)) {
        spend(scope.budget, 1);
        if (second) {
          outer.value = key;
          inner.value = value;
        } else outer.value = Array.isArray(target) ? value : key;
        each(inner, key, value);
        if (stop?.()) return;
      }
    },
  };
}

/** `all` and `exists`: an element that decides hides errors of others. */
const quantifier =
  (decides: boolean): Macro =>
  (call, compiler, names) => {
    if (!call.target || (call.args.length !== 2 && call.args.length !== 3)) return undefined;
    const two = call.args.length === 3;
    const { bound, run } = walk(call, compiler, two);
    const test = within(compiler, names, bound, call.args.at(-1)!);
    return (scope) => {
      let decided = false;
      let failure: unknown;
      run(scope, {
        each(inner) {
          try {
            decided = truth(test(inner), call.name) === decides;
          } catch (error) {
            if (!(error instanceof CelError)) throw error;
            failure ??= error;
          }
        },
        stop: () => decided,
      });
      if (decided) return decides;
      if (failure) throw failure;
      return !decides;
    };
  };

const existsOne: Macro = (call, compiler, names) => {
  if (!call.target || (call.args.length !== 2 && call.args.length !== 3)) return undefined;
  const { bound, run } = walk(call, compiler, call.args.length === 3);
  const test = within(compiler, names, bound, call.args.at(-1)!);
  return (scope) => {
    let count = 0;
    run(scope, { each: (inner) => void (truth(test(inner), call.name) && count++) });
    return count === 1;
  };
};

/** `map(x, f)`, `map(x, p, f)`, `filter(x, p)`, `transformList(i, v, f)`. */
const listOf =
  (kind: 'map' | 'filter' | 'transformList'): Macro =>
  (call, compiler, names) => {
    const two = kind === 'transformList';
    const rest = call.args.length - (two ? 2 : 1);
    if (!call.target || rest < 1 || rest > (kind === 'filter' ? 1 : 2)) return undefined;
    const { bound, run } = walk(call, compiler, two);
    const test =
      rest === 2 || kind === 'filter' ? within(compiler, names, bound, call.args[two ? 2 : 1]!) : undefined;
    const make = kind === 'filter' ? undefined : within(compiler, names, bound, call.args.at(-1)!);
    return (scope) => {
      const result: Value[] = [];
      run(scope, {
        each(inner) {
          if (test && !truth(test(inner), call.name)) return;
          result.push(make ? make(inner) : inner.lookUp(bound[0]!)!);
        },
      });
      return result;
    };
  };

const transformMap: Macro = (call, compiler, names) => {
  if (!call.target || (call.args.length !== 3 && call.args.length !== 4)) return undefined;
  const { bound, run } = walk(call, compiler, true);
  const test = call.args.length === 4 ? within(compiler, names, bound, call.args[2]!) : undefined;
  const make = within(compiler, names, bound, call.args.at(-1)!);
  const byEntry = call.name === 'transformMapEntry';
  return (scope) => {
    const entries: [Value, Value][] = [];
    run(scope, {
      each(inner, key) {
        if (test && !truth(test(inner), call.name)) return;
        const made = make(inner);
        if (!byEntry) entries.push([key, made]);
        else if (typeof made === 'object' && made !== null && isMap(made))
          entries.push(...entriesOf(made, call.name));
        else throw noOverload(call.name, made);
      },
    });
    const map = new MapValue(entries);
    if (map.size < entries.length) throw new CelError('insert failed: key already exists');
    return map;
  };
};

const has: Macro = (call, compiler) => {
  const [arg] = call.args;
  if (call.target || call.args.length !== 1) return undefined;
  if (arg!.kind !== 'select') throw new CelSyntaxError('invalid argument to has() macro', call.at);
  const of = compiler.compile(arg!.of);
  const { name } = arg!;
  return (scope) => {
    spend(scope.budget, 1);
    return (optionalField(of(scope), name) as Optional).value !== undefined;
  };
};

/** `cel.bind(x, value, expression)` */
const bind: Macro = (call, compiler, names) => {
  if (call.target?.kind !== 'name' || call.target.name !== 'cel' || call.args.length !== 3) return undefined;
  const name = variable(call.args[0]!);
  const init = compiler.compile(call.args[1]!);
  const body = within(compiler, names, [name], call.args[2]!);
  return (scope) => {
    const inner = new Binding(name, scope);
    inner.value = init(scope);
    return body(inner);
  };
};

const optionalMap: Macro = (call, compiler, names) => {
  if (!call.target || call.args.length !== 2) return undefined;
  const of = compiler.compile(call.target);
  const name = variable(call.args[0]!);
  const body = within(compiler, names, [name], call.args[1]!);
  const flat = call.name === 'optFlatMap';
  return (scope) => {
    const value = of(scope);
    if (!(value instanceof Optional)) throw noOverload(call.name, value);
    if (value.value === undefined) return value;
    const inner = new Binding(name, scope);
    inner.value = value.value;
    const made = body(inner);
    return flat ? made : new Optional(made);
  };
};

export const macros: Record<string, Macro> = {
  has,
  all: quantifier(false),
  exists: quantifier(true),
  exists_one: existsOne,
  existsOne,
  map: listOf('map'),
  filter: listOf('filter'),
  transformList: listOf('transformList'),
  transformMap,
  transformMapEntry: transformMap,
  bind,
  optMap: optionalMap,
  optFlatMap: optionalMap,
};
