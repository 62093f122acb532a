// What a compiled expression runs in, and the accesses that macros share with it.
import { noOverload } from './operators.ts';
import type { Node } from './syntax.ts';
import { CelError, isMap, Optional, type Value } from './values.ts';

/** What an evaluation may still cost; each step and each element looked at counts. */
export interface Budget {
  left: number;
}

/** Variables: the innermost first. */
export interface Scope {
  budget: Budget;
  lookUp(name: string): Value | undefined;
}

export type Evaluator = (scope: Scope) => Value;

export interface Compiler {
  compile(node: Node): Evaluator;
}

export function spend(budget: Budget, cost: number): void {
  budget.left -= cost;
  if (budget.left < 0) throw new CelError('operation cancelled: actual cost limit exceeded');
}

/** A variable that a macro binds. */
export class Binding implements Scope {
  readonly budget: Budget;
  readonly #name: string;
  readonly #outer: Scope;
  value: Value = null;
  constructor(name: string, outer: Scope) {
    this.#name = name;
    this.#outer = outer;
    this.budget = outer.budget;
  }
  lookUp(name: string): Value | undefined {
    return name === this.#name ? this.value : this.#outer.lookUp(name);
  }
}

export function field(target: Value, name: string): Value {
  if (target instanceof Optional) return optionalField(target, name);
  if (typeof target !== 'object' || target === null || !isMap(target)) throw noOverload('select', target);
  const value = target.select(name);
  if (value === undefined) throw new CelError(`no such key: ${name}`);
  return value;
}

export function optionalField(target: Value, name: string): Value {
  const of = target instanceof Optional ? target.value : target;
  if (of === undefined || of === null) return new Optional();
  if (typeof of !== 'object' || !isMap(of)) throw noOverload('select', of);
  return new Optional(of.select(name));
}

export function truth(value: Value, name: string): boolean {
  if (typeof value !== 'boolean') throw noOverload(name, value);
  return value;
}

/** `method`: the first argument stood before the dot. */
export type CelFunction = (args: Value[], method: boolean, budget: Budget) => Value;
export type Library = Record<string, CelFunction>;
