// An expression becomes closures. What each step costs is taken from a budget as it runs.
import { type Checked, check } from './check.ts';
import { LIST_COST, MAP_COST, STRUCT_COST } from './cost.ts';
import { type Environment, environment, type Named, resolveFunction, resolveName } from './environment.ts';
import { choose, noOverload, type Overload } from './functions.ts';
import { parse, typeName } from './parse.ts';
import type { Fold, Node } from './syntax.ts';
import type { CelType } from './types.ts';
import { CelError, CelLimitError, isMap, MapValue, Optional, Uint, type Value } from './values.ts';

/** What an evaluation may still cost. */
export interface Budget {
  left: number;
}

/** What one evaluation of an expression may cost. */
export const PER_CALL_LIMIT = 1_000_000;

export interface CelProgram {
  readonly source: string;
  /** What the checker found out; undefined of an expression that was not checked. */
  readonly checked?: Checked;
  /** Of its value. */
  readonly output: CelType | undefined;
  /** Names of variables that the expression uses and does not bind itself. */
  readonly names: ReadonlySet<string>;
  /** Throws CelError. */
  evaluate(variables: Record<string, Value | undefined>, budget?: Budget): Value;
}

/** One evaluation. Variables that macros bind have places of their own, found when the expression is compiled. */
interface Frame {
  readonly budget: Budget;
  readonly variables: Record<string, Value | undefined>;
  readonly slots: (Value | CelError)[];
}
type Evaluator = (frame: Frame) => Value;

/** Compiles an expression; checks it where its environment is told. Throws CelSyntaxError. */
export function compileCel(source: string, within?: Environment): CelProgram {
  if (!within) return compileUnchecked(source);
  const root = parse(source, { quotedNames: within.quotedNames === true });
  return program(source, root, within, check(source, root, within));
}

/** Compiles without a look at types: mistakes show when it runs. Throws CelSyntaxError. */
export function compileUnchecked(source: string, within: Environment = environment({})): CelProgram {
  const root = parse(source, { quotedNames: within.quotedNames === true });
  return program(source, root, within, undefined);
}

function program(source: string, root: Node, within: Environment, checked: Checked | undefined): CelProgram {
  const compiler = new Compiler(within, checked);
  const evaluator = compiler.compile(root);
  return {
    source,
    ...(checked ? { checked } : {}),
    output: checked?.output,
    names: compiler.names,
    evaluate: (variables, budget = { left: PER_CALL_LIMIT }) =>
      evaluator({ budget, variables, slots: new Array(compiler.slots) }),
  };
}

function spend(budget: Budget, cost: number): void {
  budget.left -= cost;
  if (budget.left < 0) throw new CelLimitError('operation cancelled: actual cost limit exceeded');
}

/** An error that may be hidden by what stands beside it; anything else is thrown on. */
function failure(error: unknown): CelError {
  if (error instanceof CelError && !(error instanceof CelLimitError)) return error;
  throw error;
}

interface Place {
  readonly name: string;
  readonly slot: number;
  readonly outer: Place | undefined;
}

class Compiler {
  readonly names = new Set<string>();
  slots = 0;
  readonly #within: Environment;
  readonly #checked: Checked | undefined;
  readonly #made = new Map<Node, Evaluator>();
  #places: Place | undefined;

  constructor(within: Environment, checked: Checked | undefined) {
    this.#within = within;
    this.#checked = checked;
  }

  compile(node: Node): Evaluator {
    let made = this.#made.get(node);
    if (!made) {
      made = this.#make(node, 1);
      this.#made.set(node, made);
    }
    return made;
  }
  /** As the branch of a condition, or as an index: there, the variable at the root of a path is had for nothing. */
  #part(node: Node): Evaluator {
    return isPath(node) ? this.#make(node, 0) : this.compile(node);
  }

  #make(node: Node, base: 0 | 1): Evaluator {
    const constant = this.#constant(node);
    if (constant !== undefined) return () => constant;
    switch (node.kind) {
      case 'literal':
        throw new Error('a literal is a constant');
      case 'name':
        return this.#name(node, base);
      case 'select':
        return this.#select(node, base);
      case 'call':
        return this.#call(node, base);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return this.#struct(node);
      case 'fold':
        return this.#fold(node);
    }
  }

  /** What is the same in each evaluation is worked out once, and costs nothing. */
  #constant(node: Node): Value | undefined {
    if (node.kind === 'literal') return literalValue(node);
    if (node.kind === 'list') {
      if (node.items.some(({ optional }) => optional)) return undefined;
      const items = node.items.map(({ value }) => this.#constant(value));
      return items.includes(undefined) ? undefined : (items as Value[]);
    }
    if (node.kind === 'map') return this.#constantMap(node);
    if (node.kind === 'call' && node.args.length === 1 && !node.target && conversions.has(node.name)) {
      const value = this.#constant(node.args[0]!);
      return value === undefined ? undefined : this.#converted(node.name, value);
    }
    return undefined;
  }
  #constantMap({ entries }: Node & { kind: 'map' }): Value | undefined {
    const map = new MapValue();
    for (const { key, value, optional } of entries) {
      const at = this.#constant(key);
      const found = this.#constant(value);
      if (optional || at === undefined || found === undefined || typeof at === 'object') return undefined;
      if (typeof at === 'number' || !map.insert(at, found)) return undefined;
    }
    return map;
  }
  /** Undefined where it fails: then it fails when it is evaluated, which may never be. */
  #converted(name: string, value: Value): Value | undefined {
    try {
      return choose(name, this.#within.functions.get(name) ?? [], [value]).call!(value);
    } catch (error) {
      failure(error);
      return undefined;
    }
  }

  #slot(name: string): number | undefined {
    for (let place = this.#places; place; place = place.outer) if (place.name === name) return place.slot;
    return undefined;
  }
  #bind(names: readonly string[]): number[] {
    return names.map((name) => {
      const slot = this.slots++;
      this.#places = { name, slot, outer: this.#places };
      return slot;
    });
  }

  #name(node: Node & { kind: 'name' }, base: number): Evaluator {
    const slot = this.#slot(node.name);
    if (slot !== undefined)
      return (frame) => {
        spend(frame.budget, base);
        const value = frame.slots[slot];
        if (value instanceof CelError) throw value;
        return value!;
      };
    return this.#named(node, node.name, base);
  }

  #named(node: Node, name: string, base: number): Evaluator {
    const named = this.#checked ? this.#checked.names.get(node) : resolveName(this.#within, name);
    if (named?.value) return () => named.value!;
    return this.#variable(named, name, base);
  }

  #variable(named: Named | undefined, name: string, base: number): Evaluator {
    const known = named?.name ?? name.replace(/^\./, '');
    this.names.add(known);
    return (frame) => {
      spend(frame.budget, base);
      const value = Object.hasOwn(frame.variables, known) ? frame.variables[known] : undefined;
      if (value === undefined) throw new CelError(`no such attribute(s): ${known}`);
      return value;
    };
  }

  #select(node: Node & { kind: 'select' }, base: 0 | 1): Evaluator {
    if (this.#isNamed(node)) return this.#named(node, typeName(node)!, base);
    const { name } = node;
    const of = base ? this.compile(node.of) : this.#part(node.of);
    if (node.test) return (frame) => optionalField(of(frame), name).value !== undefined;
    return (frame) => {
      const target = of(frame);
      spend(frame.budget, 1);
      return field(target, name);
    };
  }
  #isNamed(node: Node): boolean {
    if (this.#checked) return this.#checked.names.has(node);
    const dotted = typeName(node);
    if (dotted === undefined || this.#slot(dotted.split('.', 1)[0]!) !== undefined) return false;
    return resolveName(this.#within, dotted) !== undefined;
  }

  #list({ items }: Node & { kind: 'list' }): Evaluator {
    const parts = items.map(({ value, optional }) => ({ of: this.compile(value), optional }));
    return (frame) => {
      spend(frame.budget, LIST_COST);
      const result: Value[] = [];
      for (const { of, optional } of parts) {
        const value = of(frame);
        if (!optional) result.push(value);
        else if (!(value instanceof Optional)) throw noOverload('[?]', value);
        else if (value.value !== undefined) result.push(value.value);
      }
      return result;
    };
  }

  #map({ entries }: Node & { kind: 'map' }): Evaluator {
    const parts = entries.map(({ key, value, optional }) => ({
      key: this.compile(key),
      of: this.compile(value),
      optional,
    }));
    return (frame) => {
      spend(frame.budget, MAP_COST);
      const map = new MapValue();
      for (const { key, of, optional } of parts) {
        const at = key(frame);
        const value = of(frame);
        if (optional && !(value instanceof Optional)) throw noOverload('{?:}', value);
        const found = optional ? (value as Optional).value : value;
        if (found !== undefined && !map.insert(at, found))
          throw new CelError(`Failed with repeated key: ${String(at)}`);
      }
      return map;
    };
  }

  #struct(node: Node & { kind: 'struct' }): Evaluator {
    const named = this.#checked?.names.get(node) ?? resolveName(this.#within, node.type);
    const type = named?.name ?? node.type;
    const parts = node.fields.map(({ name, value, optional }) => ({
      name,
      of: this.compile(value),
      optional,
    }));
    return (frame) => {
      spend(frame.budget, STRUCT_COST);
      const map = new MapValue([], type);
      for (const { name, of, optional } of parts) {
        const value = of(frame);
        if (!optional) map.insert(name, value);
        else if (value instanceof Optional && value.value !== undefined) map.insert(name, value.value);
      }
      return map;
    };
  }

  #call(node: Node & { kind: 'call' }, base: 0 | 1): Evaluator {
    if (!node.target && Object.hasOwn(specials, node.name)) return this.#special(node, base);
    const members = node.name === '@in' ? membersOf(this.#constant(node.args[1]!)) : undefined;
    if (members) {
      const sought = this.compile(node.args[0]!);
      return (frame) => members.get(sought(frame)) !== undefined;
    }
    const { name, target } = this.#function(node);
    const operands = (target ? [target, ...node.args] : node.args).map((arg) => this.compile(arg));
    if (target && (name === 'or' || name === 'orValue') && operands.length === 2)
      return orElse(name, operands as [Evaluator, Evaluator]);
    const overloads =
      this.#checked?.overloads.get(node) ?? this.#candidates(name, target !== undefined, operands.length);
    return invoke(name, overloads, operands);
  }
  #special({ name, args }: Node & { kind: 'call' }, base: 0 | 1): Evaluator {
    const special = specials[name]!;
    const [first, ...rest] = args as [Node, ...Node[]];
    if (accesses.has(name))
      return special([base ? this.compile(first) : this.#part(first), ...rest.map((arg) => this.#part(arg))]);
    if (name === '_?_:_') return special([this.compile(first), ...rest.map((arg) => this.#part(arg))]);
    return special(args.map((arg) => this.compile(arg)));
  }
  #function(node: Node & { kind: 'call' }): { name: string; target: Node | undefined } {
    if (this.#checked) {
      const name = this.#checked.functions.get(node);
      return name === undefined ? { name: node.name, target: node.target } : { name, target: undefined };
    }
    const space = node.target && typeName(node.target);
    const global = space === undefined ? undefined : resolveFunction(this.#within, `${space}.${node.name}`);
    if (global !== undefined) return { name: global, target: undefined };
    const name = node.target ? node.name : (resolveFunction(this.#within, node.name) ?? node.name);
    return { name, target: node.target };
  }
  #candidates(name: string, member: boolean, count: number): readonly Overload[] {
    const all = this.#within.functions.get(name) ?? [];
    return all.filter((overload) => overload.member === member && overload.params.length === count);
  }

  #fold(node: Fold): Evaluator {
    const range = this.compile(node.range);
    const init = this.compile(node.init);
    const outer = this.#places;
    const [accumulator] = this.#bind([node.accumulator]) as [number];
    const inner = this.#places;
    const slots = this.#bind(node.names);
    const grow = this.#growth(node);
    const condition = grow ? undefined : this.compile(node.condition);
    const step = grow ? undefined : this.compile(node.step);
    this.#places = inner;
    const result = this.compile(node.result);
    this.#places = outer;
    const forgiving = node.condition.kind === 'call'; // `all` and `exists`: an error may yet turn out not to matter
    const first = slots[0]!;
    const second = slots[1];
    return (frame) => {
      const target = range(frame);
      const { slots: values } = frame;
      values[accumulator] = init(frame);
      const each = (key: Value, value: Value): boolean => {
        if (second === undefined) values[first] = Array.isArray(target) ? value : key;
        else {
          values[first] = key;
          values[second] = value;
        }
        if (grow) {
          grow(frame, values[accumulator] as Value);
          return true;
        }
        if (condition!(frame) !== true) return false;
        try {
          values[accumulator] = step!(frame);
        } catch (error) {
          if (!forgiving) throw error;
          values[accumulator] = failure(error);
        }
        return true;
      };
      if (grow) values[accumulator] = fresh(values[accumulator] as Value);
      walk(target, each);
      return result(frame);
    };
  }

  /** A list or map that a fold adds to is grown in place: nobody else sees it before the fold is done. */
  #growth({ init, step, accumulator }: Fold): ((frame: Frame, grown: Value) => void) | undefined {
    const empty =
      (init.kind === 'list' && !init.items.length) || (init.kind === 'map' && !init.entries.length);
    const isAccumulator = (node: Node | undefined) => node?.kind === 'name' && node.name === accumulator;
    if (!empty) return undefined;
    let test: Evaluator | undefined;
    let grown = step;
    if (step.kind === 'call' && step.name === '_?_:_' && isAccumulator(step.args[2])) {
      test = this.compile(step.args[0]!);
      grown = step.args[1]!;
    }
    if (grown.kind !== 'call' || !isAccumulator(grown.args[0])) return undefined;
    const add =
      grown.name === '_+_' ? this.#append(grown.args[1]!) : this.#insert(grown.name, grown.args.slice(1));
    return (
      add &&
      ((frame, value) => {
        if (!test || truth(test(frame), '_?_:_')) add(frame, value);
      })
    );
  }
  #append(list: Node): ((frame: Frame, grown: Value) => void) | undefined {
    if (list.kind !== 'list' || list.items.length !== 1 || list.items[0]!.optional) return undefined;
    const of = this.compile(list.items[0]!.value);
    return (frame, grown) => {
      spend(frame.budget, 2 + LIST_COST);
      (grown as Value[]).push(of(frame));
    };
  }
  #insert(name: string, args: Node[]): ((frame: Frame, grown: Value) => void) | undefined {
    if (name !== 'cel.@mapInsert') return undefined;
    const parts = args.map((arg) => this.compile(arg));
    const put = (grown: Value, key: Value, value: Value): void => {
      if (!(grown as MapValue).insert(key, value))
        throw new CelError(`insert failed: key ${String(key)} already exists`);
    };
    return (frame, grown) => {
      spend(frame.budget, 2);
      const values = parts.map((part) => part(frame));
      if (values.length === 2) put(grown, values[0]!, values[1]!);
      else if (isMap(values[0]!)) for (const key of values[0].keys()) put(grown, key, values[0].get(key)!);
      else throw noOverload(name, grown, ...values);
    };
  }
}

const fresh = (value: Value): Value => (Array.isArray(value) ? [] : new MapValue());

const conversions = new Set('bool bytes double duration dyn int string timestamp type uint'.split(' '));
const accesses = new Set(['_[_]', '_[?_]', '_?._']);
const isPath = (node: Node): boolean =>
  node.kind === 'name' ||
  (node.kind === 'select' && !node.test) ||
  (node.kind === 'call' && accesses.has(node.name));

/** A list of constants of one simple type is looked up, not walked. */
function membersOf(list: Value | undefined): MapValue | undefined {
  if (!Array.isArray(list) || !list.length) return undefined;
  const [first] = list;
  if (!['string', 'bigint', 'boolean'].includes(typeof first)) return undefined;
  if (list.some((item) => typeof item !== typeof first)) return undefined;
  return new MapValue(list.map((item) => [item, true]));
}

function literalValue({ value }: Node & { kind: 'literal' }): Value {
  return typeof value === 'object' && value !== null && 'uint' in value
    ? new Uint(value.uint)
    : (value as Value);
}

/** Elements of a list with their places, entries of a map, until one says that it is enough. */
function walk(target: Value, each: (key: Value, value: Value) => boolean): void {
  if (Array.isArray(target)) {
    for (let i = 0; i < target.length; i++) if (!each(BigInt(i), target[i]!)) return;
  } else if (isMap(target)) {
    for (const key of target.keys()) if (!each(key, target.get(key)!)) return;
  } else throw noOverload('@iterator', target);
}

function invoke(name: string, overloads: readonly Overload[], operands: readonly Evaluator[]): Evaluator {
  const run = (frame: Frame, args: Value[]): Value => {
    const overload = choose(name, overloads, args);
    spend(frame.budget, overload.cost.actual(args));
    const { call } = overload;
    return args.length === 1 ? call!(args[0]) : args.length === 2 ? call!(args[0], args[1]) : call!(...args);
  };
  const [a, b] = operands;
  if (operands.length === 1) return (frame) => run(frame, [a!(frame)]);
  if (operands.length === 2) return (frame) => run(frame, [a!(frame), b!(frame)]);
  return (frame) =>
    run(
      frame,
      operands.map((operand) => operand(frame)),
    );
}

/** The alternative is evaluated only where the value is missing. */
function orElse(name: string, [of, other]: [Evaluator, Evaluator]): Evaluator {
  return (frame) => {
    const value = of(frame);
    if (!(value instanceof Optional)) throw noOverload(name, value);
    if (value.value !== undefined) return name === 'or' ? value : value.value;
    return other(frame);
  };
}

type Special = (operands: Evaluator[]) => Evaluator;

/** `||` and `&&` do not care about the order: what decides on one side hides an error on the other. */
const logic =
  (name: string, decides: boolean): Special =>
  ([left, right]) =>
  (frame) => {
    let first: CelError | undefined;
    try {
      if (truth(left!(frame), name) === decides) return decides;
    } catch (error) {
      first = failure(error);
    }
    if (truth(right!(frame), name) === decides) return decides;
    if (first) throw first;
    return !decides;
  };

/** What is not there, and may be missing, costs nothing. */
const access =
  (name: string, get: (container: Value, key: Value) => Value): Special =>
  ([of, key]) =>
  (frame) => {
    const container = of!(frame);
    const at = key!(frame);
    if (container === null) throw noOverload(name, container, at);
    const value = get(container, at);
    if (!(value instanceof Optional) || value.value !== undefined) spend(frame.budget, 1);
    return value;
  };

const specials: Record<string, Special> = {
  '_||_': logic('_||_', true),
  '_&&_': logic('_&&_', false),
  '_?_:_':
    ([condition, yes, no]) =>
    (frame) =>
      truth(condition!(frame), '_?_:_') ? yes!(frame) : no!(frame),
  '@not_strictly_false':
    ([operand]) =>
    (frame) => {
      spend(frame.budget, 1);
      try {
        return operand!(frame) !== false;
      } catch (error) {
        failure(error);
        return true;
      }
    },
  '_[_]': access('_[_]', item),
  '_[?_]': access('_[?_]', optionalItem),
  '_?._': access('_?._', (container, name) => optionalField(container, name as string)),
};

function truth(value: Value, name: string): boolean {
  if (typeof value !== 'boolean') throw noOverload(name, value);
  return value;
}

function field(target: Value, name: string): Value {
  if (target instanceof Optional) return optionalField(target, name);
  if (!isMap(target)) throw noOverload('select', target);
  const value = target.select(name);
  if (value === undefined) throw new CelError(`no such key: ${name}`);
  return value;
}

function optionalField(target: Value, name: string): Optional {
  const of = target instanceof Optional ? target.value : target;
  if (of === undefined) return new Optional();
  if (!isMap(of)) throw noOverload('select', of);
  return new Optional(of.select(name));
}

function item(container: Value, key: Value): Value {
  if (container instanceof Optional) return optionalItem(container, key);
  const value = find(container, key);
  if (value === undefined)
    throw new CelError(
      Array.isArray(container) ? `index out of bounds: ${keyText(key)}` : `no such key: ${keyText(key)}`,
    );
  return value;
}
const keyText = (key: Value): string => String(key instanceof Uint ? key.value : key);

function optionalItem(container: Value, key: Value): Value {
  const of = container instanceof Optional ? container.value : container;
  return new Optional(of === undefined || of === null ? undefined : find(of, key));
}

function find(container: Value, key: Value): Value | undefined {
  if (Array.isArray(container)) {
    const index = key instanceof Uint ? key.value : key;
    if (typeof index === 'bigint') return container[Number(index)];
    if (typeof index === 'number' && Number.isInteger(index)) return container[index];
    throw noOverload('_[_]', container, key);
  }
  if (isMap(container)) return container.get(key);
  throw noOverload('_[_]', container, key);
}
