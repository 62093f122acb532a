// Quantities and versions. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
import {
  addQuantities,
  canonicalQuantity,
  compareQuantity,
  parseQuantity,
  quantityProblem,
  subtractQuantities,
} from '../quantity.ts';
import { noOverload } from './operators.ts';
import type { Library } from './scope.ts';
import { CelError, Opaque, type Value } from './values.ts';

class QuantityValue extends Opaque {
  readonly type = 'kubernetes.Quantity';
  readonly text: string;
  constructor(text: string) {
    super();
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
  readonly numbers: bigint[];
  readonly before: string[];
  readonly text: string;
  constructor(text: string) {
    super();
    const match = semver.exec(text);
    if (!match) throw new CelError(`semver parse error: ${JSON.stringify(text)}`);
    this.text = text;
    this.numbers = [match[1]!, match[2]!, match[3]!].map(BigInt);
    this.before = match[4]?.split('.') ?? [];
  }
  compare(other: SemverValue): number {
    for (const [i, n] of this.numbers.entries())
      if (n !== other.numbers[i]) return n < other.numbers[i]! ? -1 : 1;
    if (!this.before.length || !other.before.length) return other.before.length - this.before.length;
    for (let i = 0; i < Math.max(this.before.length, other.before.length); i++) {
      const a = this.before[i];
      const b = other.before[i];
      if (a === b) continue;
      if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
      const numeric = [/^\d+$/.test(a), /^\d+$/.test(b)];
      if (numeric[0] && numeric[1]) return BigInt(a) < BigInt(b) ? -1 : 1;
      if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
      return a < b ? -1 : 1;
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
const semver = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

/** `v1.2` as `1.2.0`: what `semver(text, true)` takes too. */
const normalized = (text: string): string => {
  const bare = text.replace(/^v/, '');
  const [core = '', ...rest] = bare.split(/(?=[-+])/);
  const parts = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  while (parts.length < 3) parts.push('0');
  return parts.join('.') + rest.join('');
};

function text(value: Value | undefined, name: string): string {
  if (typeof value !== 'string') throw noOverload(name, value ?? null);
  return value;
}
function quantityOf(value: Value | undefined, name: string): QuantityValue {
  if (!(value instanceof QuantityValue)) throw noOverload(name, value ?? null);
  return value;
}
const amount = (value: Value | undefined, name: string): string =>
  typeof value === 'bigint' ? String(value) : quantityOf(value, name).text;

/** Both libraries compare. */
const compared =
  (name: string, result: (order: number) => Value) =>
  ([a, b]: Value[]): Value => {
    if (a instanceof QuantityValue && b instanceof QuantityValue)
      return result(compareQuantity(a.text, b.text));
    if (a instanceof SemverValue && b instanceof SemverValue) return result(a.compare(b));
    throw noOverload(name, a!, b ?? null);
  };

function versionOf(value: Value | undefined, loose: Value | undefined, name: string): SemverValue {
  return new SemverValue(loose === true ? normalized(text(value, name)) : text(value, name));
}
const part =
  (name: string, i: number) =>
  ([value]: Value[]): Value => {
    if (!(value instanceof SemverValue)) throw noOverload(name, value!);
    return value.numbers[i]!;
  };

export const quantities: Library = {
  quantity: ([value]) => {
    const problem = quantityProblem(text(value, 'quantity'));
    if (problem) throw new CelError(problem);
    return new QuantityValue(value as string);
  },
  isQuantity: ([value]) => quantityProblem(text(value, 'isQuantity')) === undefined,
  sign: ([value]) => BigInt(Math.sign(compareQuantity(quantityOf(value, 'sign').text, '0'))),
  isInteger: ([value]) => Number.isSafeInteger(parseQuantity(quantityOf(value, 'isInteger').text)),
  asInteger: ([value]) => {
    const number = parseQuantity(quantityOf(value, 'asInteger').text);
    if (!Number.isInteger(number)) throw new CelError('cannot convert value to integer');
    return BigInt(number);
  },
  asApproximateFloat: ([value]) => parseQuantity(quantityOf(value, 'asApproximateFloat').text),
  add: ([a, b]) => new QuantityValue(addQuantities(quantityOf(a, 'add').text, amount(b, 'add'))),
  sub: ([a, b]) => new QuantityValue(subtractQuantities(quantityOf(a, 'sub').text, amount(b, 'sub'))),
  isLessThan: compared('isLessThan', (order) => order < 0),
  isGreaterThan: compared('isGreaterThan', (order) => order > 0),
  compareTo: compared('compareTo', (order) => BigInt(Math.sign(order))),
  semver: ([value, loose]) => versionOf(value, loose, 'semver'),
  isSemver: ([value, loose]) => {
    try {
      versionOf(value, loose, 'isSemver');
      return true;
    } catch (error) {
      if (error instanceof CelError) return false;
      throw error;
    }
  },
  major: part('major', 0),
  minor: part('minor', 1),
  patch: part('patch', 2),
};
