// Macros: what looks like a call, but stands for a loop over the elements of its target.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
import type { Node } from './syntax.ts';

type Call = Node & { kind: 'call' };
type Report = (message: string, at: number) => void;
/** Undefined after a mistake, which is reported. */
type Macro = (call: Call & { target: Node }, report: Report) => Node | undefined;

const ACCUMULATOR = '@result';

/** Builders of nodes that stand where the macro stands. */
function builders({ at }: Call) {
  const call = (name: string, ...args: Node[]): Node => ({ kind: 'call', name, args, at });
  const name = (text: string): Node => ({ kind: 'name', name: text, at });
  const literal = (value: boolean | bigint): Node => ({ kind: 'literal', value, at });
  const list = (...items: Node[]): Node => ({
    kind: 'list',
    items: items.map((value) => ({ value, optional: false })),
    at,
  });
  const accumulated = name(ACCUMULATOR);
  /** `body` with a variable that has a value: a loop over nothing. */
  const bind = (variable: string, value: Node, body: Node): Node => ({
    kind: 'fold',
    range: list(),
    names: ['#unused'],
    accumulator: variable,
    init: value,
    condition: literal(false),
    step: name(variable),
    result: body,
    at,
  });
  const method = (target: Node, text: string, ...args: Node[]): Node => ({
    kind: 'call',
    name: text,
    target,
    args,
    at,
  });
  return { call, name, literal, list, accumulated, bind, method, at };
}

/** The variables of a macro: its first one or two arguments. */
function variables(call: Call, count: number, report: Report, problem = 'argument must be a simple name') {
  const names: string[] = [];
  for (const arg of call.args.slice(0, count)) {
    if (arg.kind !== 'name' || arg.name.startsWith('.')) {
      report(problem, arg.at);
      return undefined;
    }
    if (arg.name === '__result__' || arg.name === ACCUMULATOR) {
      report('iteration variable overwrites accumulator variable', arg.at);
      return undefined;
    }
    if (names.includes(arg.name)) {
      report(`duplicate variable name: ${arg.name}`, arg.at);
      return undefined;
    }
    names.push(arg.name);
  }
  return names;
}

/** `all` and `exists`: the first element that decides ends the walk; it hides errors of others. */
const quantifier =
  (all: boolean): Macro =>
  (call, report) => {
    const names = variables(call, call.args.length - 1, report);
    if (!names) return undefined;
    const { call: make, literal, accumulated, at } = builders(call);
    return {
      kind: 'fold',
      range: call.target,
      names,
      accumulator: ACCUMULATOR,
      init: literal(all),
      condition: make('@not_strictly_false', all ? accumulated : make('!_', accumulated)),
      step: make(all ? '_&&_' : '_||_', accumulated, call.args.at(-1)!),
      result: accumulated,
      at,
    };
  };

const existsOne: Macro = (call, report) => {
  const names = variables(call, call.args.length - 1, report);
  if (!names) return undefined;
  const { call: make, literal, accumulated, at } = builders(call);
  return {
    kind: 'fold',
    range: call.target,
    names,
    accumulator: ACCUMULATOR,
    init: literal(0n),
    condition: literal(true),
    step: make('_?_:_', call.args.at(-1)!, make('_+_', accumulated, literal(1n)), accumulated),
    result: make('_==_', accumulated, literal(1n)),
    at,
  };
};

/** A list or a map that grows by one for each element that passes the test, if there is one. */
function collect(
  call: Call & { target: Node },
  names: string[],
  test: Node | undefined,
  grown: Node,
  empty: Node,
): Node {
  const { call: make, literal, accumulated, at } = builders(call);
  return {
    kind: 'fold',
    range: call.target,
    names,
    accumulator: ACCUMULATOR,
    init: empty,
    condition: literal(true),
    step: test ? make('_?_:_', test, grown, accumulated) : grown,
    result: accumulated,
    at,
  };
}

/** `map(x, f)`, `map(x, p, f)`, `filter(x, p)`, `transformList(i, v, f)`, `transformList(i, v, p, f)`. */
const listOf =
  (kind: 'map' | 'filter' | 'transformList'): Macro =>
  (call, report) => {
    const count = kind === 'transformList' ? 2 : 1;
    const names = variables(
      call,
      count,
      report,
      kind === 'transformList' ? undefined : 'argument is not an identifier',
    );
    if (!names) return undefined;
    const { call: make, accumulated, list } = builders(call);
    const rest = call.args.slice(count);
    const test = rest.length === 2 || kind === 'filter' ? rest[0] : undefined;
    const element = kind === 'filter' ? call.args[0]! : rest.at(-1)!;
    return collect(call, names, test, make('_+_', accumulated, list(element)), list());
  };

const mapOf =
  (byEntry: boolean): Macro =>
  (call, report) => {
    const names = variables(call, 2, report);
    if (!names) return undefined;
    const { call: make, name, accumulated, at } = builders(call);
    const test = call.args.length === 4 ? call.args[2] : undefined;
    const made = call.args.at(-1)!;
    const grown = byEntry
      ? make('cel.@mapInsert', accumulated, made)
      : make('cel.@mapInsert', accumulated, name(names[0]!), made);
    return collect(call, names, test, grown, { kind: 'map', entries: [], at });
  };

/** `list.sortBy(e, key)` */
const sortBy: Macro = (call, report) => {
  const { bind, method, name } = builders(call);
  if (call.target.kind === 'literal' || call.target.kind === 'map' || call.target.kind === 'struct') {
    report(
      'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
      call.target.at,
    );
    return undefined;
  }
  const input = '@__sortBy_input__';
  const keys = listOf('map')({ ...call, target: name(input) }, report);
  return keys && bind(input, call.target, method(name(input), '@sortByAssociatedKeys', keys));
};

const optionalMap =
  (flat: boolean): Macro =>
  (call, report) => {
    const [variable, body] = call.args as [Node, Node];
    if (variable.kind !== 'name') {
      report(`${call.name}() variable name must be a simple identifier`, variable.at);
      return undefined;
    }
    const { call: make, bind, method } = builders(call);
    const bound = bind(variable.name, method(call.target, 'value'), body);
    const found = flat ? bound : make('optional.of', bound);
    return make('_?_:_', method(call.target, 'hasValue'), found, make('optional.none'));
  };

/** By name and number of arguments. */
const macros: Record<string, Macro> = {
  'all/2': quantifier(true),
  'all/3': quantifier(true),
  'exists/2': quantifier(false),
  'exists/3': quantifier(false),
  'exists_one/2': existsOne,
  'exists_one/3': existsOne,
  'existsOne/2': existsOne,
  'existsOne/3': existsOne,
  'map/2': listOf('map'),
  'map/3': listOf('map'),
  'filter/2': listOf('filter'),
  'transformList/3': listOf('transformList'),
  'transformList/4': listOf('transformList'),
  'transformMap/3': mapOf(false),
  'transformMap/4': mapOf(false),
  'transformMapEntry/3': mapOf(true),
  'transformMapEntry/4': mapOf(true),
  'sortBy/2': sortBy,
  'optMap/2': optionalMap(false),
  'optFlatMap/2': optionalMap(true),
};

/** What a call stands for; the call itself where it is no macro. */
export function expandMacro(call: Call, report: Report): Node {
  if (!call.target) return call.name === 'has' && call.args.length === 1 ? presence(call, report) : call;
  const key = `${call.name}/${call.args.length}`;
  const macro = Object.hasOwn(macros, key) ? macros[key] : undefined;
  return macro?.({ ...call, target: call.target }, report) ?? call;
}

/** `has(a.b)` */
function presence(call: Call, report: Report): Node {
  const [arg] = call.args;
  if (arg!.kind === 'select' && !arg!.test) return { ...arg!, test: true, at: call.at };
  report('invalid argument to has() macro', arg!.at);
  return call;
}
