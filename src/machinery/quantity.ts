// Kubernetes quantities: a decimal number with an SI, binary or exponent suffix, exact to a billionth.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

type Format = 'decimal' | 'binary' | 'exponent';

/** The value in billionths, and how it is to be written. */
interface Exact {
  nanos: bigint;
  format: Format;
}

const BILLION = 1_000_000_000n;
const MAX = 9_223_372_036_854_775_807n * BILLION;
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const exponents = new Map(decimalSuffixes.map((suffix, i) => [suffix, i * 3 - 9]));

const WRONG_FORM =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const form = /^([+-]?)(\d*)(?:\.(\d*))?(.*)$/;

/** Thrown for a text that is no quantity. */
export class QuantityError extends Error {}

function parse(text: string): Exact {
  // Long before a number of so many digits costs time.
  if (text.length > 1000) throw new QuantityError(WRONG_FORM);
  const match = form.exec(text);
  if (!match || (!match[2] && !match[3])) throw new QuantityError(WRONG_FORM);
  const [, sign, whole, fraction = '', suffix] = match;
  let format: Format = 'decimal';
  let exponent = exponents.get(suffix!);
  let shift = 0;
  if (exponent === undefined) {
    shift = Math.max(0, binarySuffixes.indexOf(suffix!)) * 10;
    if (shift > 0) {
      format = 'binary';
      exponent = 0;
    } else if (/^[eE][+-]?\d{1,9}$/.test(suffix!)) {
      format = 'exponent';
      exponent = Number(suffix!.slice(1));
    } else if (/^[eEinumkKMGTP]*[-+]?[0-9]*$/.test(suffix!)) {
      throw new QuantityError("unable to parse quantity's suffix");
    } else throw new QuantityError(WRONG_FORM);
  }
  const digits = BigInt(whole + fraction) << BigInt(shift);
  const power = exponent! + 9 - fraction.length;
  let nanos: bigint;
  if (digits === 0n) nanos = 0n;
  else if (power >= 0) nanos = power > 60 ? MAX : digits * 10n ** BigInt(power);
  else {
    // Anything finer than a billionth is rounded up, away from zero.
    const divisor = 10n ** BigInt(Math.min(-power, 2000));
    nanos = (digits + divisor - 1n) / divisor;
  }
  if (nanos > MAX) nanos = MAX;
  if (format === 'binary' && nanos > 0n && nanos < BILLION) format = 'decimal';
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

function print({ nanos, format }: Exact): string {
  if (nanos === 0n) return '0';
  if (format === 'binary') {
    const magnitude = nanos < 0n ? -nanos : nanos;
    if (magnitude >= 1024n * BILLION && nanos % BILLION === 0n) {
      let value = nanos / BILLION;
      let index = 0;
      for (; index < 6 && value % 1024n === 0n; index++) value /= 1024n;
      return `${value}${binarySuffixes[index]}`;
    }
  }
  let value = nanos;
  let index = 0;
  for (; index < 9 && value % 1000n === 0n; index++) value /= 1000n;
  if (format !== 'exponent') return `${value}${decimalSuffixes[index]}`;
  return index === 3 ? `${value}` : `${value}e${index * 3 - 9}`;
}

interface Known {
  exact: Exact;
  canonical: string;
  value: number;
}

// The same few texts come again and again (100m, 128Mi): remembering them makes all of this a map look-up.
// When full, it starts over; that bounds it, and needs no order.
const known = new Map<string, Known>();
function lookUp(text: string): Known {
  let entry = known.get(text);
  if (entry) return entry;
  const exact = parse(text);
  const whole = exact.nanos / BILLION;
  entry = {
    exact,
    canonical: print(exact),
    value: Number(whole) + Number(exact.nanos - whole * BILLION) / 1e9,
  };
  if (known.size >= 10_000) known.clear();
  known.set(text, entry);
  return entry;
}
/** A resource that is called as what every object has (`toString`) is found in all maps: no amount is meant by that. */
const knownOf = (quantity: string | number | undefined): Known =>
  lookUp(typeof quantity !== 'string' && typeof quantity !== 'number' ? '0' : String(quantity));

/** The form that the API prints: no precision lost, no fraction, the largest suffix. Throws QuantityError. */
export const canonicalQuantity = (quantity: string | number): string => knownOf(quantity).canonical;

/** What is wrong with a text as a quantity, or undefined. */
export function quantityProblem(quantity: string | number): string | undefined {
  try {
    knownOf(quantity);
    return undefined;
  } catch (error) {
    if (error instanceof QuantityError) return error.message;
    throw error;
  }
}

/** In base units (cores, bytes), as close as a double comes; undefined is 0. Throws QuantityError. */
export const parseQuantity = (quantity: string | number | undefined): number => knownOf(quantity).value;

const ceilDivide = (a: bigint, b: bigint): bigint => (a > 0n ? (a + b - 1n) / b : a / b);

/** In thousandths, rounded up: `250m` is 250. */
export const milliValue = (quantity: string | number | undefined): number =>
  Number(ceilDivide(knownOf(quantity).exact.nanos, 1_000_000n));
export const milli = milliValue;

/** In whole base units, rounded up. */
export const integerValue = (quantity: string | number | undefined): number =>
  Number(ceilDivide(knownOf(quantity).exact.nanos, BILLION));

/** A number of base units as a quantity; `binary` writes Ki, Mi, Gi. */
export function formatQuantity(value: number, format: 'decimal' | 'binary' = 'decimal'): string {
  const nanos = Number.isInteger(value) ? BigInt(value) * BILLION : BigInt(Math.round(value * 1e9));
  return print({ nanos, format });
}

/** A number of thousandths as a quantity: 250 is `250m`. */
export const formatMilli = (value: number): string =>
  print({ nanos: BigInt(Math.round(value)) * 1_000_000n, format: 'decimal' });

/** Negative, zero or positive, exactly. */
export function compareQuantity(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  const left = knownOf(a).exact.nanos;
  const right = knownOf(b).exact.nanos;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The exact sum, written like the first one that is not zero. */
export function addQuantities(...quantities: (string | number | undefined)[]): string {
  const sum: Exact = { nanos: 0n, format: 'decimal' };
  for (const quantity of quantities) {
    const { exact } = knownOf(quantity);
    if (sum.nanos === 0n) sum.format = exact.format;
    sum.nanos += exact.nanos;
  }
  return print(sum);
}

/** The exact difference, written like the first (or the second, where the first is zero). */
export function subtractQuantities(a: string | number | undefined, b: string | number | undefined): string {
  const left = knownOf(a).exact;
  const right = knownOf(b).exact;
  return print({ nanos: left.nanos - right.nanos, format: left.nanos === 0n ? right.format : left.format });
}
