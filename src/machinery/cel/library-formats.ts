// The formats of names and texts. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library
import {
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../names.ts';
import { hasFormat } from '../structural/formats.ts';
import { type CostModel, PER_CHARACTER, PER_PATTERN_CHARACTER, scale } from './cost.ts';
import type { Declarations } from './functions.ts';
import { parseUrl, UrlError } from './go-url.ts';
import { Opaque, Optional, type Value } from './values.ts';

type Check = (text: string) => string[];

class FormatValue extends Opaque {
  readonly type = 'kubernetes.NamedFormat';
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  equals(other: Value): boolean {
    return other instanceof FormatValue && other.name === this.name;
  }
}

/** What something generated is added to may end in a dash. */
const prefix =
  (check: Check): Check =>
  (text) =>
    check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);

const uri: Check = (text) => {
  try {
    parseUrl(text);
    return [];
  } catch (error) {
    if (error instanceof UrlError) return [error.message];
    throw error;
  }
};
const ofFormat =
  (format: string, problem: string): Check =>
  (text) =>
    hasFormat(text, format) ? [] : [problem];

/** With the length of the pattern that stands for them where costs are reckoned. */
const formats: Record<string, readonly [check: Check, weight: number]> = {
  dns1123Label: [dnsLabelProblems, 30],
  dns1123Subdomain: [dnsSubdomainProblems, 60],
  dns1035Label: [dns1035LabelProblems, 30],
  qualifiedName: [qualifiedNameProblems, 60],
  dns1123LabelPrefix: [prefix(dnsLabelProblems), 30],
  dns1123SubdomainPrefix: [prefix(dnsSubdomainProblems), 60],
  dns1035LabelPrefix: [prefix(dns1035LabelProblems), 30],
  labelValue: [labelValueProblems, 40],
  uri: [uri, 1000],
  uuid: [ofFormat('uuid', 'does not match the UUID format'), 71],
  byte: [ofFormat('byte', 'invalid base64'), 84],
  date: [ofFormat('date', 'invalid date'), 75],
  datetime: [ofFormat('date-time', 'invalid datetime'), 75],
};

const LONGEST_PATTERN = 128;
const validation: CostModel = {
  actual: ([format, text]) =>
    Math.ceil((1 + (text as string).length) * PER_CHARACTER) *
    Math.ceil(formats[(format as FormatValue).name]![1] * PER_PATTERN_CHARACTER),
  estimate: ([, text]) => ({
    cost: scale(scale(text!.size, PER_CHARACTER), LONGEST_PATTERN * PER_PATTERN_CHARACTER),
  }),
};

function validate({ name }: FormatValue, text: string): Value {
  const found = formats[name]![0](text);
  return found.length ? new Optional(found) : new Optional();
}

export const formatLibrary: Declarations = {
  'format.named': {
    'format-named': [
      '(string) -> optional(kubernetes.NamedFormat)',
      (name: string) => (Object.hasOwn(formats, name) ? new Optional(new FormatValue(name)) : new Optional()),
    ],
  },
  ...Object.fromEntries(
    Object.keys(formats).map((name) => [
      `format.${name}`,
      { [`format.${name}`]: ['() -> kubernetes.NamedFormat', () => new FormatValue(name)] as const },
    ]),
  ),
  validate: {
    'format-validate': ['kubernetes.NamedFormat.(string) -> optional(list(string))', validate, validation],
  },
};
