// Quantities and versions. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
import {
  addQuantities,
  canonicalQuantity,
  compareQuantity,
  parseQuantity,
  quantityProblem,
  subtractQuantities,
} from '../quantity.ts';
import { reads } from './cost.ts';
import type { Declarations } from './functions.ts';
import { succeeds } from './library-networks.ts';
import { CelError, Opaque, type Value } from './values.ts';

class QuantityValue extends Opaque {
  readonly type = 'kubernetes.Quantity';
  readonly text: string;
  constructor(text: string) {
    super();
    const problem = quantityProblem(text);
    if (problem) throw new CelError(problem);
    this.text = canonicalQuantity(text);
  }
  equals(other: Value): boolean {
    return other instanceof QuantityValue && compareQuantity(this.text, other.text) === 0;
  }
  override toString(): string {
    return this.text;
  }
}

class SemverValue extends Opaque {
  readonly type = 'kubernetes.Semver';
  readonly numbers: readonly bigint[];
  readonly before: readonly string[];
  readonly text: string;
  constructor(text: string) {
    super();
    const match = semver.exec(text);
    if (!match) throw new CelError(`semver parse error: ${JSON.stringify(text)}`);
    this.text = text;
    this.numbers = [match[1]!, match[2]!, match[3]!].map(BigInt);
    this.before = match[4]?.split('.') ?? [];
    if (
      this.numbers.some((n) => n > 18446744073709551615n) ||
      this.before.some((part) => /^0\d+$/.test(part))
    )
      throw new CelError(`semver parse error: ${JSON.stringify(text)}`);
  }
  compare(other: SemverValue): number {
    for (const [i, n] of this.numbers.entries())
      if (n !== other.numbers[i]) return n < other.numbers[i]! ? -1 : 1;
    if (!this.before.length || !other.before.length)
      return Math.sign(other.before.length - this.before.length);
    for (let i = 0; i < Math.max(this.before.length, other.before.length); i++) {
      const order = comparePart(this.before[i], other.before[i]);
      if (order) return order;
    }
    return 0;
  }
  equals(other: Value): boolean {
    return other instanceof SemverValue && this.compare(other) === 0;
  }
  override toString(): string {
    return this.text;
  }
}
const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** Of what stands before a release: numbers come before words, fewer parts before more. */
function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  const numeric = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (numeric[0] && numeric[1]) return BigInt(a) < BigInt(b) ? -1 : 1;
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
  return a < b ? -1 : 1;
}

/** `v1.2` as `1.2.0`, `01.2.3` as `1.2.3`. */
function normalized(text: string): string {
  const [major = '', minor, ...rest] = text.replace(/^v/, '').split('.');
  const parts = [major, ...(minor === undefined ? [] : [minor]), ...(rest.length ? [rest.join('.')] : [])];
  if (parts.length < 3 && /[+-]/.test(parts.at(-1)!))
    throw new CelError('short version cannot contain PreRelease/Build meta data');
  const bare = parts.map((part) =>
    part.length > 1 ? part.replace(/^0+(?=\d)/, '').replace(/^0+(?!$|\d)/, '0') : part,
  );
  while (bare.length < 3) bare.push('0');
  return bare.join('.');
}
const versionOf = (text: string, loose = false): SemverValue =>
  new SemverValue(loose ? normalized(text) : text);

const QUANTITY = 'kubernetes.Quantity';
const SEMVER = 'kubernetes.Semver';
const plus = (a: QuantityValue, b: QuantityValue | bigint): Value =>
  new QuantityValue(addQuantities(a.text, String(b)));
const minus = (a: QuantityValue, b: QuantityValue | bigint): Value =>
  new QuantityValue(subtractQuantities(a.text, String(b)));
const signOf = (a: QuantityValue): Value => BigInt(Math.sign(compareQuantity(a.text, '0')));

/** Both libraries compare. */
const compared = (id: string, type: string, result: (order: number) => Value) => ({
  [`quantity_${id}`]: [
    `${QUANTITY}.(${QUANTITY}) -> ${type}`,
    (a: QuantityValue, b: QuantityValue) => result(compareQuantity(a.text, b.text)),
  ] as const,
  [`semver_${id}`]: [
    `${SEMVER}.(${SEMVER}) -> ${type}`,
    (a: SemverValue, b: SemverValue) => result(a.compare(b)),
  ] as const,
});
const part = (name: string, i: number): Declarations => ({
  [name]: { [`semver_${name}`]: [`${SEMVER}.() -> int`, (a: SemverValue) => a.numbers[i]!] },
});

export const quantities: Declarations = {
  quantity: {
    string_to_quantity: [`(string) -> ${QUANTITY}`, (text: string) => new QuantityValue(text), reads()],
  },
  isQuantity: {
    is_quantity_string: ['(string) -> bool', (text: string) => quantityProblem(text) === undefined, reads()],
  },
  sign: {
    quantity_sign: [`(${QUANTITY}) -> int`, signOf],
    quantity_sign_inst: [`${QUANTITY}.() -> int`, signOf],
  },
  isInteger: {
    quantity_is_integer: [`${QUANTITY}.() -> bool`, (a: QuantityValue) => integerOf(a) !== undefined],
  },
  asInteger: {
    quantity_get_int: [
      `${QUANTITY}.() -> int`,
      (a: QuantityValue) => {
        const value = integerOf(a);
        if (value === undefined) throw new CelError('cannot convert value to integer');
        return value;
      },
    ],
  },
  asApproximateFloat: {
    quantity_get_float: [`${QUANTITY}.() -> double`, (a: QuantityValue) => parseQuantity(a.text)],
  },
  add: {
    quantity_add: [`${QUANTITY}.(${QUANTITY}) -> ${QUANTITY}`, plus],
    quantity_add_int: [`${QUANTITY}.(int) -> ${QUANTITY}`, plus],
  },
  sub: {
    quantity_sub: [`${QUANTITY}.(${QUANTITY}) -> ${QUANTITY}`, minus],
    quantity_sub_int: [`${QUANTITY}.(int) -> ${QUANTITY}`, minus],
  },
  isLessThan: compared('is_less_than', 'bool', (order) => order < 0),
  isGreaterThan: compared('is_greater_than', 'bool', (order) => order > 0),
  compareTo: compared('compare_to', 'int', (order) => BigInt(Math.sign(order))),
  semver: {
    string_to_semver: [`(string) -> ${SEMVER}`, versionOf, reads()],
    string_bool_to_semver: [`(string, bool) -> ${SEMVER}`, versionOf, reads()],
  },
  isSemver: {
    is_semver_string: ['(string) -> bool', succeeds(versionOf), reads()],
    is_semver_string_bool: ['(string, bool) -> bool', succeeds(versionOf), reads()],
  },
  ...part('major', 0),
  ...part('minor', 1),
  ...part('patch', 2),
};

/** Undefined where it is not whole, or no int. */
function integerOf({ text }: QuantityValue): bigint | undefined {
  const value = parseQuantity(text);
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63) return undefined;
  return BigInt(value);
}
