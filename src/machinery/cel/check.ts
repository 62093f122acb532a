// Finds the type of each part of an expression, and the overloads that its calls may mean.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking
import { type Environment, type Named, resolveFunction, resolveName } from './environment.ts';
import type { Overload } from './functions.ts';
import { typeName } from './parse.ts';
import { patternOf } from './pattern.ts';
import { CelSyntaxError, type Fold, type Issue, type Node } from './syntax.ts';
import {
  assignable,
  assignableAll,
  boolType,
  bytesType,
  type CelType,
  doubleType,
  dynType,
  errorType,
  intType,
  isDyn,
  isOptional,
  listType,
  mapType,
  moreGeneral,
  nullType,
  optionalType,
  paramType,
  Substitutions,
  sameType,
  stringType,
  typeText,
  uintType,
} from './types.ts';
import { CelError, parseDuration, parseTimestamp, Timestamp } from './values.ts';

/** What is known of a checked expression. Nodes that macros use twice are one node. */
export interface Checked {
  readonly root: Node;
  readonly output: CelType;
  readonly types: ReadonlyMap<Node, CelType>;
  /** Of calls: those that the types of their operands leave. */
  readonly overloads: ReadonlyMap<Node, readonly Overload[]>;
  /** Names, and selections that are names with dots, which stand for a variable or a type. */
  readonly names: ReadonlyMap<Node, Named>;
  /** Of calls: the function's full name where its target is a namespace. */
  readonly functions: ReadonlyMap<Node, string>;
}

/** Throws CelSyntaxError with all that is wrong. */
export function check(source: string, root: Node, environment: Environment): Checked {
  const checker = new Checker(environment);
  checker.check(root);
  const checked = checker.finish(root);
  if (!checker.issues.length) checkLiterals(checked, checker.issues);
  if (!checker.issues.length && !environment.mixedLiterals) checkElements(checked, checker.issues);
  if (checker.issues.length) throw new CelSyntaxError(source, checker.issues);
  return checked;
}

interface Scope {
  readonly name: string;
  readonly type: CelType;
  readonly outer: Scope | undefined;
}

class Checker {
  readonly issues: Issue[] = [];
  readonly #environment: Environment;
  readonly #known = new Substitutions();
  readonly #types = new Map<Node, CelType>();
  readonly #overloads = new Map<Node, readonly Overload[]>();
  readonly #names = new Map<Node, Named>();
  readonly #functions = new Map<Node, string>();
  #scope: Scope | undefined;
  #fresh = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  finish(root: Node): Checked {
    for (const [node, type] of this.#types) this.#types.set(node, this.#known.apply(type, 'dyn'));
    return {
      root,
      output: this.#types.get(root)!,
      types: this.#types,
      overloads: this.#overloads,
      names: this.#names,
      functions: this.#functions,
    };
  }

  check(node: Node): CelType {
    let type = this.#types.get(node);
    if (!type) {
      type = this.#typeOf(node);
      this.#types.set(node, type);
    }
    return type;
  }

  #report(message: string, { at }: { at: number }): CelType {
    this.issues.push({ message, at });
    return errorType;
  }
  #undeclared(name: string, node: Node): CelType {
    const container = this.#environment.container ?? '';
    return this.#report(`undeclared reference to '${name}' (in container '${container}')`, node);
  }
  #mismatch(expected: CelType, found: CelType, node: Node): CelType {
    return this.#report(`expected type '${this.#text(expected)}' but found '${this.#text(found)}'`, node);
  }
  #text(type: CelType): string {
    return typeText(this.#known.apply(type, 'keep'));
  }
  #assignable(from: CelType, to: CelType): boolean {
    return this.#known.attempt(() => assignable(this.#known, from, to));
  }
  #parameter(): CelType {
    return paramType(`_var${this.#fresh++}`);
  }
  #within<T>(variables: readonly (readonly [name: string, type: CelType])[], run: () => T): T {
    const outer = this.#scope;
    for (const [name, type] of variables) this.#scope = { name, type, outer: this.#scope };
    const result = run();
    this.#scope = outer;
    return result;
  }
  #local(name: string): CelType | undefined {
    for (let scope = this.#scope; scope; scope = scope.outer) if (scope.name === name) return scope.type;
    return undefined;
  }

  #typeOf(node: Node): CelType {
    switch (node.kind) {
      case 'literal':
        return literalType(node.value);
      case 'name':
        return this.#nameType(node);
      case 'select':
        return this.#selectType(node);
      case 'call':
        return this.#callType(node);
      case 'list':
        return this.#listType(node);
      case 'map':
        return this.#mapType(node);
      case 'struct':
        return this.#structType(node);
      case 'fold':
        return this.#foldType(node);
    }
  }

  #nameType(node: Node & { kind: 'name' }): CelType {
    const local = this.#local(node.name);
    if (local) return local;
    const named = resolveName(this.#environment, node.name);
    if (!named) return this.#undeclared(node.name.replace(/^\./, ''), node);
    this.#names.set(node, named);
    return named.type;
  }

  #selectType(node: Node & { kind: 'select' }): CelType {
    const dotted = typeName(node);
    if (dotted !== undefined && !this.#local(dotted.slice(0, dotted.indexOf('.')))) {
      const named = resolveName(this.#environment, dotted);
      if (named) {
        this.#names.set(node, named);
        return named.type;
      }
    }
    const field = this.#fieldType(node, node.of, node.name, false);
    return node.test ? boolType : field;
  }

  /** Of `of.name` or `of.?name`. Of what is optional the field is, too. */
  #fieldType(node: Node, of: Node, name: string, optional: boolean): CelType {
    const type = this.#known.apply(this.check(of), 'keep');
    const target = isOptional(type) ? type.params[0]! : type;
    let result = dynType;
    if (target.kind === 'map') result = target.params[1]!;
    else if (target.kind === 'struct')
      result = fieldOf(target, name) ?? this.#report(`undefined field '${name}'`, node);
    else if (target.kind === 'param') this.#assignable(dynType, target);
    else if (!isDyn(target) && target.kind !== 'error')
      this.#report(`type '${this.#text(target)}' does not support field selection`, node);
    return this.#known.apply(optional || isOptional(type) ? optionalType(result) : result, 'keep');
  }

  #callType(node: Node & { kind: 'call' }): CelType {
    if (node.name === '_?._') {
      const [of, name] = node.args as [Node, Node & { kind: 'literal' }];
      this.#types.set(name, stringType);
      this.#overloads.set(node, this.#environment.functions.get('_?._') ?? []);
      return this.#fieldType(node, of, name.value as string, true);
    }
    for (const arg of node.args) this.check(arg);
    let { target } = node;
    let name: string | undefined;
    const space = target && typeName(target);
    if (target && space !== undefined && !this.#local(space.split('.', 1)[0]!)) {
      name = resolveFunction(this.#environment, `${space}.${node.name}`);
      if (name !== undefined) {
        this.#functions.set(node, name);
        target = undefined;
      }
    }
    if (target) {
      this.check(target);
      name = this.#environment.functions.has(node.name) ? node.name : undefined;
    } else if (name === undefined) {
      name = resolveFunction(this.#environment, node.name);
      if (name !== undefined) this.#functions.set(node, name);
    }
    if (name === undefined) return this.#undeclared(node.name.replace(/^\./, ''), node);
    if (name === '_&&_' || name === '_||_') return this.#logicType(node, name);
    return this.#resolve(node, name, target);
  }

  #logicType(node: Node & { kind: 'call' }, name: string): CelType {
    this.#overloads.set(node, this.#environment.functions.get(name)!);
    let result = boolType;
    for (const arg of node.args) {
      const type = this.check(arg);
      if (!this.#assignable(type, boolType)) result = this.#mismatch(boolType, type, arg);
    }
    return result;
  }

  #resolve(node: Node & { kind: 'call' }, name: string, target: Node | undefined): CelType {
    const operands = (target ? [target, ...node.args] : node.args).map((operand) => this.check(operand));
    const found: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of this.#environment.functions.get(name)!) {
      if (overload.member !== (target !== undefined) || overload.params.length !== operands.length) continue;
      const { params, result: type } = this.#instance(overload);
      if (!this.#known.attempt(() => assignableAll(this.#known, operands, params))) continue;
      found.push(overload);
      const made = this.#known.apply(type, 'keep');
      if (!result) result = made;
      else if (!isDyn(result) && !sameType(result, made)) result = dynType;
    }
    if (!result) {
      const texts = operands.map((type) => typeText(this.#known.apply(type, 'dyn')));
      const signature = target ? `${texts[0]}.(${texts.slice(1).join(', ')})` : `(${texts.join(', ')})`;
      return this.#report(`found no matching overload for '${name}' applied to '${signature}'`, node);
    }
    this.#overloads.set(node, found);
    return result;
  }

  /** An overload with type parameters of its own. */
  #instance({ params, result, free }: Overload): { params: readonly CelType[]; result: CelType } {
    if (!free.length) return { params, result };
    const own = new Substitutions();
    for (const name of free) own.set(paramType(name), this.#parameter());
    return { params: params.map((param) => own.apply(param, 'keep')), result: own.apply(result, 'keep') };
  }

  #join(before: CelType | undefined, type: CelType): CelType {
    if (!before) return type;
    return this.#assignable(before, type) ? moreGeneral(before, type) : dynType;
  }

  #unwrapped(node: Node, optional: boolean): CelType {
    const type = this.check(node);
    if (!optional) return type;
    const resolved = this.#known.apply(type, 'keep');
    if (isOptional(resolved)) return resolved.params[0]!;
    if (!isDyn(resolved)) this.#mismatch(optionalType(resolved), resolved, node);
    return resolved;
  }

  #listType({ items }: Node & { kind: 'list' }): CelType {
    let element: CelType | undefined;
    for (const { value, optional } of items) element = this.#join(element, this.#unwrapped(value, optional));
    return listType(element ?? this.#parameter());
  }

  #mapType({ entries }: Node & { kind: 'map' }): CelType {
    let keys: CelType | undefined;
    let values: CelType | undefined;
    for (const { key, value, optional } of entries) {
      keys = this.#join(keys, this.check(key));
      values = this.#join(values, this.#unwrapped(value, optional));
    }
    return mapType(keys ?? this.#parameter(), values ?? this.#parameter());
  }

  #structType(node: Node & { kind: 'struct' }): CelType {
    const named = resolveName(this.#environment, node.type);
    if (!named) return this.#undeclared(node.type, node);
    const type = named.type.kind === 'type' ? named.type.params[0] : undefined;
    if (type?.kind !== 'struct')
      return this.#report(`'${named.name}' is not a ${type ? 'message type' : 'type'}`, node);
    this.#names.set(node, named);
    for (const { name, value, optional, at } of node.fields) {
      const found = this.#unwrapped(value, optional);
      const expected = fieldOf(type, name) ?? this.#report(`undefined field '${name}'`, { at });
      if (!this.#assignable(expected, found))
        this.#report(
          `expected type of field '${name}' is '${this.#text(expected)}' but provided type is '${this.#text(found)}'`,
          { at },
        );
    }
    return type;
  }

  #foldType(node: Fold): CelType {
    const range = this.#known.apply(this.check(node.range), 'keep');
    const accumulated = this.check(node.init);
    const accumulator = [node.accumulator, accumulated] as const;
    const names = this.#elementTypes(node, range).map((type, i) => [node.names[i]!, type] as const);
    this.#within([accumulator, ...names], () => {
      const condition = this.check(node.condition);
      if (!this.#assignable(boolType, condition)) this.#mismatch(boolType, condition, node.condition);
      const step = this.check(node.step);
      if (!this.#assignable(accumulated, step)) this.#mismatch(accumulated, step, node.step);
    });
    const result = this.#within([accumulator], () => this.check(node.result));
    return this.#known.apply(result, 'keep');
  }

  #elementTypes({ names, range }: Fold, type: CelType): CelType[] {
    const two = names.length > 1;
    switch (type.kind) {
      case 'list':
        return two ? [intType, type.params[0]!] : [type.params[0]!];
      case 'map':
        return two ? [type.params[0]!, type.params[1]!] : [type.params[0]!];
      case 'dyn':
      case 'error':
      case 'param':
        this.#assignable(dynType, type);
        return names.map(() => dynType);
      default:
        this.#report(
          `expression of type '${this.#text(type)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
          range,
        );
        return names.map(() => errorType);
    }
  }
}

/** The words of the language are fields under their own names, and between underscores. */
function fieldOf({ fields }: CelType, name: string): CelType | undefined {
  return fields!(name) ?? fields!(`__${name}__`);
}

function literalType(value: (Node & { kind: 'literal' })['value']): CelType {
  if (value === null) return nullType;
  switch (typeof value) {
    case 'boolean':
      return boolType;
    case 'bigint':
      return intType;
    case 'number':
      return doubleType;
    case 'string':
      return stringType;
    default:
      return value instanceof Uint8Array ? bytesType : uintType;
  }
}

/** Texts that are written out where a duration, a time or a pattern is asked for. */
const literalArguments: Record<string, { at: (count: number) => number; read: (text: string) => unknown }> = {
  duration: { at: () => 0, read: parseDuration },
  timestamp: { at: () => 0, read: parseTimestamp },
  matches: { at: (count) => count - 1, read: patternOf },
  find: { at: () => 0, read: patternOf },
  findAll: { at: () => 0, read: patternOf },
};

/** Lists and maps that are written out have elements of one type; but what is to be formatted may be anything. */
function checkElements({ types }: Checked, issues: Issue[]): void {
  const exempt = new Set<Node>();
  const exclude = (node: Node): void => {
    if (exempt.has(node)) return;
    exempt.add(node);
    for (const child of childrenOf(node)) exclude(child);
  };
  for (const node of types.keys())
    if (node.kind === 'call' && node.name === 'format') for (const child of childrenOf(node)) exclude(child);
  const typeOf = (node: Node, optional: boolean): CelType => {
    const type = types.get(node)!;
    return optional && isOptional(type) ? type.params[0]! : type;
  };
  const alike = (parts: { node: Node; optional: boolean }[]): void => {
    const [first] = parts;
    if (!first) return;
    const expected = typeOf(first.node, first.optional);
    const odd = parts.find(({ node, optional }) => !sameType(expected, typeOf(node, optional)));
    if (!odd) return;
    const found = typeText(typeOf(odd.node, odd.optional));
    issues.push({ message: `expected type '${typeText(expected)}' but found '${found}'`, at: odd.node.at });
  };
  for (const node of types.keys()) {
    if (exempt.has(node)) continue;
    if (node.kind === 'list') alike(node.items.map(({ value, optional }) => ({ node: value, optional })));
    if (node.kind !== 'map') continue;
    alike(node.entries.map(({ key }) => ({ node: key, optional: false })));
    alike(node.entries.map(({ value, optional }) => ({ node: value, optional })));
  }
}

function childrenOf(node: Node): Node[] {
  switch (node.kind) {
    case 'select':
      return [node.of];
    case 'call':
      return node.target ? [node.target, ...node.args] : node.args;
    case 'list':
      return node.items.map(({ value }) => value);
    case 'map':
      return node.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return node.fields.map(({ value }) => value);
    case 'fold':
      return [node.range, node.init, node.condition, node.step, node.result];
    default:
      return [];
  }
}

function checkLiterals({ overloads }: Checked, issues: Issue[]): void {
  for (const node of overloads.keys()) {
    if (node.kind !== 'call' || !Object.hasOwn(literalArguments, node.name)) continue;
    const { at, read } = literalArguments[node.name]!;
    const arg = node.args[at(node.args.length)];
    if (arg?.kind !== 'literal') continue;
    try {
      if (typeof arg.value === 'string') read(arg.value);
      else if (node.name === 'timestamp' && typeof arg.value === 'bigint')
        new Timestamp(arg.value * 1_000_000_000n);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      issues.push({ message: `invalid ${node.name} argument`, at: arg.at });
    }
  }
}
