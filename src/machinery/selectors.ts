// Label and field selectors, as in a query (`app=web,tier in (a,b)`) and as in a spec (LabelSelector).
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
import type { LabelSelector } from './meta.gen.ts';
import { labelValueProblems, qualifiedNameProblems } from './names.ts';
import { badRequest, type FieldError, type FieldPath, StatusError } from './status.ts';

export interface Requirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  values: string[];
}

export type Labels = Record<string, string> | undefined;

interface Token {
  kind: string;
  text: string;
}

const symbols = new Set(['(', ')', ',', '!', '=', '==', '!=', '>', '<']);
const special = /[()=!,<>]/;

function lex(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (/\s/.test(c)) i++;
    else if (special.test(c)) {
      const two = text.slice(i, i + 2);
      const symbol = symbols.has(two) ? two : c;
      tokens.push({ kind: symbol, text: symbol });
      i += symbol.length;
    } else {
      const start = i;
      while (i < text.length && !special.test(text[i]!) && !/\s/.test(text[i]!)) i++;
      const word = text.slice(start, i);
      tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'word', text: word });
    }
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

/**
 * Parses a selector as it stands in a query. Requirements come sorted by key.
 * Throws 400 with the documented wording when it cannot be understood.
 */
export function parseLabelSelector(text: string): Requirement[] {
  const tokens = lex(text);
  let at = 0;
  const fail = (token: Token, expected: string): never => {
    throw badRequest(`unable to parse requirement: found '${token.text}', expected: ${expected}`);
  };
  const isWord = (token: Token): boolean =>
    token.kind === 'word' || token.kind === 'in' || token.kind === 'notin';
  const requirements: Requirement[] = [];

  function parseKey(): string {
    const token = tokens[at++]!;
    if (!isWord(token)) fail(token, 'identifier');
    const problems = qualifiedNameProblems(token.text);
    if (problems.length)
      throw badRequest(
        `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(token.text)}: ${problems.join('; ')}`,
      );
    return token.text;
  }

  /** A value may be empty: `a=` and `a in (,b)`. */
  function parseValue(): string {
    const token = tokens[at]!;
    if (isWord(token)) {
      at++;
      return token.text;
    }
    if (token.kind === 'end' || token.kind === ',') return '';
    return fail(token, 'identifier');
  }

  function parseValues(): string[] {
    const open = tokens[at++]!;
    if (open.kind !== '(') fail(open, "'('");
    const values = new Set<string>();
    for (;;) {
      const token = tokens[at++]!;
      if (isWord(token)) {
        values.add(token.text);
        const next = tokens[at++]!;
        if (next.kind === ')') return [...values].sort();
        if (next.kind !== ',') fail(next, "',' or ')'");
        if (tokens[at]!.kind === ')') {
          at++;
          values.add('');
          return [...values].sort();
        }
      } else if (token.kind === ',') values.add('');
      else if (token.kind === ')') {
        values.add('');
        return [...values].sort();
      } else fail(token, "',', ')' or identifier");
    }
  }

  function parseRequirement(): Requirement {
    if (tokens[at]!.kind === '!') {
      at++;
      return { key: parseKey(), operator: 'DoesNotExist', values: [] };
    }
    const key = parseKey();
    const operator = tokens[at]!;
    if (operator.kind === 'end' || operator.kind === ',') return { key, operator: 'Exists', values: [] };
    at++;
    switch (operator.kind) {
      case '=':
      case '==':
        return { key, operator: 'In', values: [parseValue()] };
      case '!=':
        return { key, operator: 'NotIn', values: [parseValue()] };
      case 'in':
        return { key, operator: 'In', values: parseValues() };
      case 'notin':
        return { key, operator: 'NotIn', values: parseValues() };
      case '>':
      case '<': {
        const value = parseValue();
        if (!/^[+-]?\d+$/.test(value))
          throw badRequest(
            `unable to parse requirement: values[0][${key}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        return { key, operator: operator.kind === '>' ? 'Gt' : 'Lt', values: [value] };
      }
      default:
        return fail(operator, 'in, notin, =, ==, !=, gt, lt');
    }
  }

  if (tokens[0]!.kind === 'end') return requirements;
  for (;;) {
    const requirement = parseRequirement();
    requirement.values.forEach((value, i) => {
      const problems = labelValueProblems(value);
      if (problems.length)
        throw badRequest(
          `unable to parse requirement: values[${i}][${requirement.key}]: Invalid value: ${JSON.stringify(value)}: ${problems.join('; ')}`,
        );
    });
    requirements.push(requirement);
    checkCount(requirements);
    const next = tokens[at++]!;
    if (next.kind === 'end') return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    if (next.kind !== ',') fail(next, "',' or 'end of string'");
    if (!isWord(tokens[at]!) && tokens[at]!.kind !== '!') fail(tokens[at]!, "identifier after ','");
  }
}

/** More than anybody has; each is looked at for every object, and for every event of every watch. */
const maxRequirements = 1000;
function checkCount(requirements: readonly unknown[]): void {
  if (requirements.length > maxRequirements)
    throw badRequest(`unable to parse requirement: more than ${maxRequirements} requirements`);
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();
/** Long lists of values cost no more than short ones. */
function includes(values: readonly string[], value: string): boolean {
  if (values.length <= 8) return values.includes(value);
  let set = sets.get(values);
  if (!set) sets.set(values, (set = new Set(values)));
  return set.has(value);
}

function requirementMatches({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && includes(values, value);
    case 'NotIn':
      return value === undefined || !includes(values, value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default: {
      if (value === undefined || !/^[+-]?\d+$/.test(value)) return false;
      return operator === 'Gt' ? Number(value) > Number(values[0]) : Number(value) < Number(values[0]);
    }
  }
}

/** Whether the labels meet every requirement. */
export function matchesLabels(requirements: readonly Requirement[], labels: Labels): boolean {
  for (const requirement of requirements) if (!requirementMatches(requirement, labels)) return false;
  return true;
}

/** The requirements of a LabelSelector, sorted by key. An operator that is not known matches nothing when used. */
export function labelSelectorRequirements(selector: LabelSelector): Requirement[] {
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push({ key, operator: 'In', values: [value] });
  for (const { key, operator, values } of selector.matchExpressions ?? [])
    requirements.push({ key, operator: operator as Requirement['operator'], values: values ?? [] });
  return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Whether a LabelSelector selects these labels: no selector selects nothing, an empty one everything. */
export function labelSelectorMatches(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false;
  const { matchLabels, matchExpressions } = selector;
  if (matchLabels)
    for (const key in matchLabels)
      if (labels === undefined || !Object.hasOwn(labels, key) || labels[key] !== matchLabels[key])
        return false;
  if (matchExpressions)
    for (const e of matchExpressions)
      if (
        !requirementMatches(
          { key: e.key, operator: e.operator as Requirement['operator'], values: e.values ?? [] },
          labels,
        )
      )
        return false;
  return true;
}

/** Whether a plain map of labels (a Service's selector) selects; an empty or missing map selects nothing. */
export function mapSelectorMatches(selector: Labels, labels: Labels): boolean {
  let any = false;
  for (const key in selector) {
    any = true;
    if (labels === undefined || labels[key] !== selector[key]) return false;
  }
  return any;
}

function requirementToString(r: Requirement, fromExpression: boolean): string {
  if (r.operator === 'Exists') return r.key;
  if (r.operator === 'DoesNotExist') return `!${r.key}`;
  if (r.operator === 'Gt') return `${r.key}>${r.values[0]}`;
  if (r.operator === 'Lt') return `${r.key}<${r.values[0]}`;
  if (r.values.length === 1 && !fromExpression)
    return `${r.key}${r.operator === 'In' ? '=' : '!='}${r.values[0]}`;
  return `${r.key} ${r.operator === 'In' ? 'in' : 'notin'} (${[...r.values].sort().join(',')})`;
}

/** As in a query: `app=web,tier in (a,b)`; '' for an empty selector. */
export function labelSelectorToString(selector: LabelSelector | undefined): string {
  const parts: [string, string][] = [];
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {}))
    parts.push([key, `${key}=${value}`]);
  for (const r of labelSelectorRequirements({ matchExpressions: selector?.matchExpressions }))
    parts.push([r.key, requirementToString(r, true)]);
  return parts
    .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))
    .map(([, text]) => text)
    .join(',');
}

export const requirementsToString = (requirements: readonly Requirement[]): string =>
  requirements.map((r) => requirementToString(r, false)).join(',');

/** What is wrong with a LabelSelector in a spec. */
export function labelSelectorErrors(selector: LabelSelector | undefined, path: FieldPath): FieldError[] {
  if (!selector) return [];
  const errors: FieldError[] = labelsErrors(selector.matchLabels, path.child('matchLabels'));
  selector.matchExpressions?.forEach(({ key, operator, values }, i) => {
    const at = path.child('matchExpressions').child(i);
    if (operator === 'In' || operator === 'NotIn') {
      if (!values?.length)
        errors.push(at.child('values').required("must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values?.length)
        errors.push(
          at.child('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
    } else errors.push(at.child('operator').invalid(operator, 'not a valid selector operator'));
    for (const problem of qualifiedNameProblems(key)) errors.push(at.child('key').invalid(key, problem));
    values?.forEach((value, j) => {
      for (const problem of labelValueProblems(value))
        errors.push(at.child('values').child(j).invalid(value, problem));
    });
  });
  return errors;
}

/** What is wrong with a map of labels. */
export function labelsErrors(labels: Labels, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in labels) {
    for (const problem of qualifiedNameProblems(key)) errors.push(path.invalid(key, problem));
    for (const problem of labelValueProblems(labels[key]!)) errors.push(path.invalid(labels[key], problem));
  }
  return errors;
}

export interface FieldRequirement {
  path: string;
  op: '=' | '!=';
  value: string;
}

/** Parses `metadata.name=a,spec.nodeName!=b`; `\\`, `\,` and `\=` stand for themselves in values. Throws 400. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const requirements: FieldRequirement[] = [];
  for (const term of text.match(/(?:\\.|[^,\\])+/gs) ?? []) {
    const match = /^((?:\\.|[^=!\\])*?)(!=|==|=)(.*)$/s.exec(term);
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, path, op, raw] = match;
    let value = '';
    for (let i = 0; i < raw!.length; i++) {
      const c = raw![i]!;
      if (c === '\\') {
        const next = raw![++i];
        if (next === undefined || !'\\,='.includes(next))
          throw badRequest(`invalid field selector: invalid escape sequence in '${raw}'`);
        value += next;
      } else if (c === '=') throw badRequest(`invalid field selector: unescaped '=' in '${raw}'`);
      else value += c;
    }
    requirements.push({ path: path!, op: op === '!=' ? '!=' : '=', value });
    checkCount(requirements);
  }
  return requirements;
}

/** Whether an object meets a field selector; `fieldOf` gives a field's text, '' where it is absent. */
export function matchesFields(
  requirements: readonly FieldRequirement[],
  fieldOf: Record<string, string> | ((path: string) => string | undefined),
): boolean {
  for (const { path, op, value } of requirements) {
    const actual = (typeof fieldOf === 'function' ? fieldOf(path) : fieldOf[path]) ?? '';
    if ((actual === value) !== (op === '=')) return false;
  }
  return true;
}

/** Throws 400 when a requirement names a field that this kind cannot be selected by. */
export function checkFieldRequirements(
  requirements: readonly FieldRequirement[],
  known: (path: string) => boolean,
): void {
  for (const { path } of requirements)
    if (!known(path)) throw new StatusError(400, 'BadRequest', `field label not supported: ${path}`);
}
