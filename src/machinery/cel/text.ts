// Values as text, in Go's words.
import { noOverload } from './operators.ts';
import { Duration, durationText, Timestamp, timestampText, Uint, type Value } from './values.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Numbers as Go prints them with `%v`. */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e21))
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return String(value);
}

export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return doubleText(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Uint8Array) return utf8.decode(value);
  if (typeof value === 'object' && value !== null && 'type' in value) return String(value);
  throw noOverload('string', value);
}
