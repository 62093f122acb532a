// What an expression may cost at most, found before it runs: from the sizes of what is written out, and from those that a schema
// allows. https://kubernetes.io/docs/reference/using-api/cel/#estimated-cost-limits
import type { Checked } from './check.ts';
import {
  type Estimate,
  exactly,
  LIST_COST,
  MAP_COST,
  type Operand,
  plus,
  type Range,
  STRUCT_COST,
  times,
  union,
  unknownSize,
} from './cost.ts';
import type { Overload } from './functions.ts';
import type { Fold, Node } from './syntax.ts';
import { type CelType, dynType, isOptional } from './types.ts';

/**
 * The size that a value may have which is reached from a variable: `['self', 'items', '@items', 'name']`. Elements of lists are
 * `@items`, keys and values of maps `@keys` and `@values`. Undefined where nothing is known.
 */
export type SizeSource = (path: readonly string[]) => Range | undefined;

type Path = readonly string[] | undefined;
/** Of the elements that a list or map has. */
interface Entries {
  list: boolean;
  key: Range;
  value: Range;
}
interface Local {
  readonly name: string;
  readonly path: Path;
  readonly size: Range | undefined;
  readonly entries: Entries | undefined;
  readonly outer: Local | undefined;
}

export function estimateCost(checked: Checked, sizes: SizeSource): Range {
  return new Estimator(checked, sizes).cost(checked.root);
}

const none = exactly(0);
const one = exactly(1);
const constantTypes = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);
const isConstantSize = (type: CelType): boolean =>
  constantTypes.has(type.kind) || (isOptional(type) && isConstantSize(type.params[0]!));
const merged = (a: Entries | undefined, b: Entries | undefined): Entries | undefined =>
  a && b && { list: a.list, key: union(a.key, b.key), value: union(a.value, b.value) };

class Estimator {
  readonly #checked: Checked;
  readonly #source: SizeSource;
  readonly #costs = new Map<Node, Range>();
  readonly #paths = new Map<Node, Path>();
  readonly #sizes = new Map<Node, Range>();
  readonly #entries = new Map<Node, Entries>();
  #locals: Local | undefined;

  constructor(checked: Checked, source: SizeSource) {
    this.#checked = checked;
    this.#source = source;
  }

  cost(node: Node): Range {
    let cost = this.#costs.get(node);
    if (!cost) {
      cost = this.#costOf(node);
      this.#costs.set(node, cost);
    }
    return cost;
  }
  #sum(nodes: readonly Node[], base: Range): Range {
    return nodes.reduce((sum, node) => plus(sum, this.cost(node)), base);
  }

  #type(node: Node): CelType {
    return this.#checked.types.get(node) ?? dynType;
  }
  #local(node: Node): Local | undefined {
    if (node.kind !== 'name') return undefined;
    for (let local = this.#locals; local; local = local.outer) if (local.name === node.name) return local;
    return undefined;
  }
  #within<T>(locals: Omit<Local, 'outer'>[], run: () => T): T {
    const before = this.#locals;
    for (const local of locals) this.#locals = { ...local, outer: this.#locals };
    const result = run();
    this.#locals = before;
    return result;
  }
  #path(node: Node): Path {
    const local = this.#local(node);
    return local ? local.path : this.#paths.get(node);
  }

  #sizeOf(node: Node): Range | undefined {
    const known = this.#sizes.get(node) ?? writtenSize(node);
    if (known) return known;
    const path = this.#path(node);
    const found = path?.length ? this.#source(path) : undefined;
    if (found) {
      this.#sizes.set(node, found);
      return found;
    }
    return isConstantSize(this.#type(node)) ? one : this.#local(node)?.size;
  }
  #entriesOf(node: Node): Entries | undefined {
    return this.#entries.get(node) ?? this.#local(node)?.entries;
  }
  #note(node: Node, size: Range | undefined, entries: Entries | undefined): void {
    if (size) this.#sizes.set(node, size);
    if (entries) this.#entries.set(node, entries);
  }

  #costOf(node: Node): Range {
    switch (node.kind) {
      case 'literal':
        return none;
      case 'name':
        if (!this.#local(node)) this.#paths.set(node, [this.#checked.names.get(node)?.name ?? node.name]);
        return one;
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return this.#sum(
          node.fields.map(({ value }) => value),
          exactly(STRUCT_COST),
        );
      case 'fold':
        return node.names[0] === '#unused' ? this.#bind(node) : this.#fold(node);
    }
  }

  #select(node: Node & { kind: 'select' }): Range {
    const named = this.#checked.names.get(node);
    if (named) {
      this.#paths.set(node, [named.name]);
      return one;
    }
    const of = this.cost(node.of);
    if (node.test) return of; // asking whether a field is there costs nothing
    this.#extend(node, node.of, node.name);
    return ['map', 'struct', 'param'].includes(this.#type(node.of).kind) ? plus(of, one) : of;
  }
  #extend(node: Node, of: Node, part: string): void {
    this.#paths.set(node, [...(this.#path(of) ?? []), part]);
  }

  #list(node: Node & { kind: 'list' }): Range {
    const values = node.items.map(({ value }) => value);
    const cost = this.#sum(values, exactly(LIST_COST));
    this.#entries.set(node, { list: true, key: one, value: this.#across(values) });
    return cost;
  }
  #map(node: Node & { kind: 'map' }): Range {
    const keys = node.entries.map(({ key }) => key);
    const values = node.entries.map(({ value }) => value);
    const cost = this.#sum([...keys, ...values], exactly(MAP_COST));
    this.#entries.set(node, { list: false, key: this.#across(keys), value: this.#across(values) });
    return cost;
  }
  #across(nodes: readonly Node[]): Range {
    if (!nodes.length) return none;
    return nodes.map((node) => this.#sizeOf(node) ?? unknownSize).reduce(union);
  }

  #call(node: Node & { kind: 'call' }): Range {
    const operands = this.#operandsOf(node);
    if (node.name === 'dyn' && !node.target) {
      const cost = plus(this.cost(operands[0]!), one);
      this.#note(node, this.#sizeOf(operands[0]!), this.#entriesOf(operands[0]!));
      return cost;
    }
    for (const operand of operands) this.cost(operand);
    const overloads = this.#checked.overloads.get(node) ?? [];
    if (!overloads.length) return none;
    let cost: Range | undefined;
    let size: Range | undefined;
    for (const overload of overloads) {
      const estimate = this.#overload(node, overload, operands);
      cost = cost ? union(cost, estimate.cost) : estimate.cost;
      if (estimate.size) size = size ? union(size, estimate.size) : estimate.size;
      if (overload.id === 'index_list' || overload.id === 'index_map') {
        size = this.#entriesOf(operands[0]!)?.value;
        this.#extend(node, operands[0]!, overload.id === 'index_list' ? '@items' : '@values');
      }
      size ??= this.#sizeOf(node);
    }
    this.#note(node, size, undefined);
    return cost!;
  }
  #operandsOf({ target, args }: Node & { kind: 'call' }): Node[] {
    return target && this.#checked.types.has(target) ? [target, ...args] : args;
  }

  #overload(node: Node, overload: Overload, operands: readonly Node[]): Estimate {
    const costs = operands.map((operand) => this.cost(operand));
    switch (overload.id) {
      case 'logical_and':
      case 'logical_or': // the right side may not be evaluated
        return { cost: { min: costs[0]!.min, max: plus(costs[0]!, costs[1]!).max } };
      case 'conditional': {
        const [yes, no] = [operands[1]!, operands[2]!];
        this.#note(node, undefined, merged(this.#entriesOf(yes), this.#entriesOf(no)));
        return {
          cost: plus(costs[0]!, union(costs[1]!, costs[2]!)),
          size: union(this.#sizeOf(yes) ?? unknownSize, this.#sizeOf(no) ?? unknownSize),
        };
      }
      case 'add_list':
        this.#note(node, undefined, merged(this.#entriesOf(operands[0]!), this.#entriesOf(operands[1]!)));
        break;
      default:
    }
    const estimate = overload.cost.estimate(operands.map((operand) => this.#operand(operand)));
    return { ...estimate, cost: costs.reduce(plus, estimate.cost) };
  }
  #operand(node: Node): Operand {
    const path = this.#path(node);
    const element = (path?.length ? this.#source([...path, '@items']) : undefined) ?? unknownSize;
    return { node, type: this.#type(node), size: this.#sizeOf(node) ?? unknownSize, element };
  }

  #bind(node: Fold): Range {
    const cost = plus(this.cost(node.range), this.cost(node.init));
    const local = this.#localOf(node.accumulator, node.init);
    const result = this.#within([local], () => {
      const body = this.cost(node.result);
      this.#note(node, this.#sizeOf(node.result), this.#entriesOf(node.result));
      return body;
    });
    return plus(cost, result);
  }
  #localOf(name: string, init: Node): Omit<Local, 'outer'> {
    return { name, path: this.#path(init), size: this.#sizeOf(init), entries: this.#entriesOf(init) };
  }

  #fold(node: Fold): Range {
    const before = plus(this.cost(node.range), this.cost(node.init));
    const accumulator = this.#localOf(node.accumulator, node.init);
    let grown: Entries | undefined;
    const each = this.#within([accumulator, ...this.#elements(node)], () => {
      const condition = this.cost(node.condition);
      const step = this.cost(node.step);
      grown = this.#entriesOf(node.step);
      return plus(step, condition);
    });
    const result = this.#within([accumulator], () => this.cost(node.result));
    const count = this.#sizeOf(node.range) ?? unknownSize;
    if (node.init.kind === 'literal') this.#note(node, this.#sizeOf(node.init), undefined);
    else if (node.init.kind === 'list' || node.init.kind === 'map') this.#note(node, count, grown);
    return plus(plus(before, result), times(count, each));
  }

  /** The variables of the element, with where they are and how large they may be. */
  #elements({ names, range }: Fold): Omit<Local, 'outer'>[] {
    const entries = this.#entriesOf(range);
    const list = entries ? entries.list : this.#type(range).kind === 'list';
    const at = (name: string, part: string, size: Range | undefined) => {
      const path = this.#path(range) ?? [];
      return { name, path: [...path, part], size, entries: undefined };
    };
    const [first, second] = names as [string, string | undefined];
    const key = at(first, list ? '@indices' : '@keys', entries?.key);
    if (second !== undefined) return [key, at(second, list ? '@items' : '@values', entries?.value)];
    return [list ? at(first, '@items', entries?.value) : key];
  }
}

function writtenSize(node: Node): Range | undefined {
  if (node.kind === 'list') return exactly(node.items.length);
  if (node.kind === 'map') return exactly(node.entries.length);
  if (node.kind !== 'literal') return undefined;
  const { value } = node;
  if (typeof value === 'string') return exactly([...value].length);
  return exactly(value instanceof Uint8Array ? value.length : 1);
}
