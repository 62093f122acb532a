// The formats that a string in a custom resource can be asked to have.
import { isCIDR, isIPv4, isIPv6 } from '../ip.ts';

const uuid = (version: string): RegExp =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');
const matches =
  (pattern: RegExp) =>
  (text: string): boolean =>
    pattern.test(text);

const formats: Record<string, (text: string) => boolean> = {
  byte: (text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0,
  cidr: isCIDR,
  creditcard: matches(/^\d{13,19}$/),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`)),
  'date-time': (text) =>
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text.replace(' ', 'T'))),
  datetime: (text) => formats['date-time']!(text),
  duration: matches(
    /^([+-]?\d+(\.\d+)?\s*(ns|us|µs|ms|s|m|h|d|w|nanos?|micros?|millis?|seconds?|minutes?|hours?|days?|weeks?)\s*)+$/,
  ),
  email: matches(/^[^\s@]+@[^\s@]+$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  hostname: (text) =>
    text.length <= 255 &&
    /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*\.?$/i.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  mac: matches(/^([0-9a-f]{2}[:-]){5}([0-9a-f]{2})$/i),
  rgbcolor: matches(/^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/),
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  uri: (text) => URL.canParse(text) || text.startsWith('/'),
  uuid: matches(uuid('[0-9a-f]')),
  uuid3: matches(uuid('3')),
  uuid4: matches(uuid('4')),
  uuid5: matches(uuid('5')),
};

/** Whether a text has a format; one that is not known is not asked for. */
export const hasFormat = (text: string, format: string): boolean =>
  Object.hasOwn(formats, format) ? formats[format]!(text) : true;
